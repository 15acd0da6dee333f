"""The launcher of the llama.cpp backend, run as hosts run it: as a process, on the real wheel, with generated models."""

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from tests.lab.models import recite

wheel = pytest.importorskip("xllamacpp")
LAUNCHER = os.path.join(ROOT, "roles", "backend", "files", "llama_server.py")
KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths of a fast model, a slow one that takes some seconds, and one that never ends."""
    folder = tmp_path_factory.mktemp("models")
    paths = types.SimpleNamespace(fast=folder / "fast.gguf", slow=folder / "slow.gguf", endless=folder / "endless.gguf")
    recite.write_model(paths.fast, embedding=True)
    paths.slow_text = recite.write_model(paths.slow, recite.counting(150), **recite.SLOW)
    recite.write_model(paths.endless, loop=True, **recite.SLOW)
    return paths


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*arguments, **environment):
    """Runs the launcher to its end. Returns (exit code, what it wrote)."""
    done = subprocess.run(
        [sys.executable, LAUNCHER, *map(str, arguments)], env={**os.environ, **environment}, timeout=20, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


class Engine:
    """A running engine on a free port of loopback."""

    def __init__(self, log, model, *flags, **environment):
        self.port, self.log = free_port(), log
        command = [LAUNCHER, "--model", model, "--host", "127.0.0.1", "--port", self.port, "--threads", 1, *flags]
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *map(str, command)], env={**os.environ, **environment}, stdout=output, stderr=output
            )
        end = time.monotonic() + 20
        while self.get("/health")[0] != 200 or b"ready after" not in log.read_bytes():      # from then on it drains
            assert self.process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)

    def request(self, path, body=None, key=None):
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = "Bearer " + key
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), data, headers)

    def get(self, path, body=None, key=None):
        """(status, text) of an answer; status 0 when there is none."""
        try:
            with urllib.request.urlopen(self.request(path, body, key), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def chat(self, key=None):
        status, text = self.get("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}, key)
        assert status == 200, text
        return json.loads(text)["choices"][0]["message"]["content"]

    def stream(self):
        """An open streamed chat of which the first event has come."""
        body = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
        answer = urllib.request.urlopen(self.request("/v1/chat/completions", body), timeout=30)
        answer.readline()
        return answer

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def ended(self, seconds):
        """The exit code, within ``seconds``."""
        return self.process.wait(seconds)


@pytest.fixture
def engine(tmp_path):
    """Starts engines, and kills what the test leaves of them."""
    with contextlib.ExitStack() as stack:

        def start(model, *flags, **environment):
            log = tmp_path / ("%d.log" % time.monotonic_ns())
            started = Engine(log, model, *flags, **environment)
            stack.callback(started.process.wait)
            stack.callback(started.process.kill)
            return started

        yield start


def rest_of(stream):
    """The text of the events that still come, and whether the stream ended as it should."""
    words, complete = [], False
    for line in stream:
        line = line.decode().strip()
        if line == "data: [DONE]":
            complete = True
        elif line.startswith("data: "):
            choices = json.loads(line[6:])["choices"]
            words += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(words), complete


def test_version_names_the_wheel():
    assert run("--version") == (0, "llama-server on xllamacpp %s\n" % wheel.__version__)


def test_a_wrong_engine_variable_does_not_disturb_the_self_test():
    assert run("--version", LLAMA_ARG_CTX_SIZE="many")[0] == 0


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--bogus"], "error: invalid argument: --bogus"),
        (["--ctx-size=4096"], "error: invalid argument: --ctx-size=4096"),
        (["--ctx-size"], 'error while handling argument "--ctx-size": expected value for argument'),
        (["--port", "high"], 'error while handling argument "--port": stoi'),
        (["--cache-type-k", "q9"], "Unsupported cache type: q9"),
        (["--api-key-file", "/nonexistent/key"], "failed to open file '/nonexistent/key'"),
        (["--port", "70000"], "--port must be given, from 1 to 65535 (it is 70000)"),
        ([], "--port must be given, from 1 to 65535 (it is 0)"),
    ],
)
def test_wrong_arguments_are_final_and_explained(arguments, said):
    code, text = run(*arguments)
    assert code == 78
    assert said in text
    assert "llama_server: wrong arguments" in text


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", "1e9"])
def test_a_wrong_drain_time_is_final_and_explained(seconds):
    code, text = run("--port", "4242", MODELFLEET_DRAIN_SECONDS=seconds)
    assert code == 78
    assert "MODELFLEET_DRAIN_SECONDS is '%s'" % seconds in text


def test_a_wrong_variable_of_the_engine_is_final_and_explained():
    code, text = run("--port", "4242", LLAMA_ARG_CTX_SIZE="many")
    assert code == 78
    assert "LLAMA_ARG_CTX_SIZE" in text


def test_a_taken_port_is_explained(models):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, text = run("--model", models.fast, "--host", "127.0.0.1", "--port", port)
    assert code == 1
    assert "couldn't bind HTTP server socket, hostname: 127.0.0.1, port: %d" % port in text
    assert "llama_server: the engine did not start" in text


def broken_models(folder, good):
    data = good.read_bytes()
    length = b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0"
    for name, content in {
        "cut": data[: len(data) // 2],
        "strange": b"not a model at all",
        "alien": data.replace(length + b"llama", length + b"zebra"),
    }.items():
        (folder / (name + ".gguf")).write_bytes(content)


@pytest.mark.parametrize(
    "name, said",
    [
        ("cut", "data is not within the file bounds, model is corrupted or incomplete"),
        ("strange", "invalid magic characters"),
        ("alien", "unknown model architecture: 'zebra'"),
        ("absent", "(No such file or directory)"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_explained(models, tmp_path, name, said):
    broken_models(tmp_path, models.fast)
    code, text = run("--model", tmp_path / (name + ".gguf"), "--port", free_port())
    assert code == 1
    assert said in text


def test_flags_of_llama_server_reach_the_engine(models, engine):
    flags = "--alias hello --ctx-size 2048 --parallel 2 --cache-type-k q8_0 --n-gpu-layers 0 --jinja --slots --metrics --no-warmup"
    started = engine(models.fast, *flags.split())
    assert started.chat() == recite.SENTENCE
    assert json.loads(started.get("/v1/models")[1])["data"][0]["id"] == "hello"
    props = json.loads(started.get("/props")[1])
    assert (props["total_slots"], props["default_generation_settings"]["n_ctx"]) == (2, 1024)


def test_embeddings(models, engine):
    started = engine(models.fast, "--embeddings")
    answers = [json.loads(started.get("/v1/embeddings", {"input": text})[1]) for text in ("one", "two", "one")]
    vectors = [answer["data"][0]["embedding"] for answer in answers]
    assert len(vectors[0]) == recite.WIDTH
    assert vectors[0] == vectors[2] != vectors[1]


def test_the_key_is_demanded_and_health_is_open(models, engine, tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    started = engine(models.fast, "--api-key-file", tmp_path / "key")
    for path in ("/v1/models", "/metrics", "/slots", "/props"):
        assert [started.get(path, key=key)[0] for key in (None, "wrong", KEY)] == [401, 401, 200], path
    body = {"messages": [{"role": "user", "content": "hello"}]}
    assert [started.get("/v1/chat/completions", body, key)[0] for key in (None, "wrong", KEY)] == [401, 401, 200]
    assert started.get("/health")[0] == 200


def test_requests_in_flight_and_queued_end_before_the_engine_stops(models, engine):
    started = engine(models.slow, "--parallel", 1)
    streams = [started.stream()]
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}]}).encode()
    with socket.create_connection(("127.0.0.1", started.port), timeout=30) as queued:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        queued.sendall(head.encode() + body)
        time.sleep(0.2)
        started.stop()
        text, complete = rest_of(streams[0])
        answer = b"".join(iter(lambda: queued.recv(65536), b"")).split(b"\r\n\r\n", 1)[1]
    assert complete and models.slow_text.endswith(text) and len(text) > len(models.slow_text) - 10
    assert json.loads(answer)["choices"][0]["message"]["content"] == models.slow_text
    assert started.ended(5) == 0
    assert "llama_server: stopped" in started.log.read_text()


def test_what_does_not_end_in_time_is_cut_off(models, engine):
    started = engine(models.endless, MODELFLEET_DRAIN_SECONDS="1")
    stream = started.stream()
    begin = time.monotonic()
    started.stop()
    assert started.ended(10) == 0
    assert 1 <= time.monotonic() - begin < 5
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert not rest_of(stream)[1]
    assert "cut off after 1 s, requests in flight: 1" in started.log.read_text()


def test_an_idle_engine_stops_at_once_although_connections_are_open(models, engine):
    started = engine(models.fast)
    with socket.create_connection(("127.0.0.1", started.port), timeout=30) as kept:
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        begin = time.monotonic()
        started.stop()
        assert started.ended(10) == 0
        assert time.monotonic() - begin < 3


def test_a_second_signal_ends_at_once(models, engine):
    started = engine(models.endless)
    with started.stream():
        started.stop()
        while "stopping" not in started.log.read_text():
            time.sleep(0.05)
        started.stop()
        assert started.ended(3) == 1


def test_a_wheel_that_lays_parameters_out_differently_is_refused():
    spec = importlib.util.spec_from_file_location("llama_server", LAUNCHER)
    launcher = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launcher)
    launcher.Parser(wheel)
    launcher.HEADER += 8
    with pytest.raises(launcher.Unfit):
        launcher.Parser(wheel)
