"""The launcher as a real process: what a service manager starts, without a service manager."""

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import LAUNCH, ROOT

SERVER = (
    "import http.server, sys\n"
    "class Engine(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200 if not sys.argv[2:] or __import__('os').path.exists(sys.argv[2]) else 503); self.end_headers()\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Engine).serve_forever()\n"
)


class Instance:
    """An instance's files in a data directory, and its launcher."""

    def __init__(self, data_dir, record):
        self.data_dir, self.record = data_dir, record
        self.stem = "%s.%s" % (record["fleet"], record["instance"])
        for folder in ("records", "state", "locks", "secrets", "credentials"):
            (data_dir / folder).mkdir(exist_ok=True)
        self.path = data_dir / "records" / (self.stem + ".json")
        self.path.write_text(json.dumps(record))
        self.state_path = data_dir / "state" / (self.stem + ".json")

    @property
    def words(self):
        return [sys.executable, str(self.data_dir / "launcher" / "launcher.py")]

    def state(self):
        return json.loads(self.state_path.read_text())

    def start(self, **environment):
        return subprocess.Popen(
            self.words + [str(self.path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
            env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment),
        )  # fmt: skip

    def run(self):
        """(exit code, output)."""
        process = self.start()
        said = process.communicate(timeout=20)[0]
        return process.returncode, said

    def exited(self, code, status, **more):
        subprocess.run(self.words + ["--exited", str(self.path)], check=True, env=dict(os.environ, EXIT_CODE=code, EXIT_STATUS=status, **more))


@pytest.fixture
def instance(tmp_path, record):
    (tmp_path / "launcher").mkdir()
    shutil.copy(os.path.join(ROOT, "roles", "host", "files", "launcher.py"), tmp_path / "launcher")
    for name in os.listdir(LAUNCH):
        if name.endswith(".py"):
            shutil.copy(os.path.join(LAUNCH, name), tmp_path / "launcher")
    return lambda *arguments, **differences: Instance(tmp_path, record(*arguments, **differences))


def wait_until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen within %d s" % seconds
        time.sleep(0.02)


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def restart(**differences):
    return dict({"on_error": True, "first_delay": 10, "max_delay": 300, "reset_after": 60, "fatal_exit_codes": [78]}, **differences)


def test_the_launcher_becomes_the_engine(instance):
    code = "import os, sys; print('argv', sys.argv[1:], 'pid', os.getpid(), os.environ['A'])"
    process = instance(spec={"argv": [sys.executable, "-c", code, "a b", "$HOME"], "env": {"A": "1"}}).start()
    lines = process.communicate(timeout=20)[0].splitlines()
    assert lines == ["modelfleet: starting qwen3-0 generation 3 pid %d" % process.pid, "argv ['a b', '$HOME'] pid %d 1" % process.pid]


def test_secrets_and_key_reach_the_environment_only(instance):
    code = "import os, sys; print(os.environ['HF_TOKEN'], os.environ['API_KEY'], 'OTHER' in os.environ, sys.argv)"
    made = instance(spec={"argv": [sys.executable, "-c", code], "secret_env": ["HF_TOKEN"], "credential_env": "API_KEY"})
    (made.data_dir / "secrets" / "prod.qwen3-0.json").write_text('{"HF_TOKEN": "t0k", "OTHER": "x"}')
    (made.data_dir / "credentials" / "prod.qwen3.key").write_text("k3y\n")
    assert made.run()[1].splitlines()[1] == "t0k k3y False ['-c']"


@pytest.mark.parametrize(
    "spec, said",
    [
        ({"requires": {"executables": ["/none/engine"], "files": []}}, "/none/engine is not there or cannot be executed"),
        ({"requires": {"executables": [], "files": ["/none/model.gguf"]}}, "/none/model.gguf is not there or cannot be read"),
        ({"argv": ["/none/engine"]}, "/none/engine: No such file or directory"),
        ({"secret_env": ["HF_TOKEN"]}, "secrets/prod.qwen3-0.json cannot be read (No such file or directory); deploy again"),
        ({"credential_env": "API_KEY"}, "credentials/prod.qwen3.key cannot be read (No such file or directory); deploy again"),
        ({"devices": {"vendor": "acme", "uuids": []}}, "GPUs of vendor acme"),
    ],
)
def test_what_no_retry_can_help_is_said_in_one_line(instance, spec, said):
    code, output = instance(spec=spec).run()
    assert code == 78
    lines = output.splitlines()
    assert len(lines) == 2 and lines[1].startswith("modelfleet: cannot be started: ") and said in lines[1]


@pytest.mark.parametrize("text, said", [(None, "No such file"), ("{", "is not JSON")])
def test_a_record_that_cannot_be_used(instance, text, said):
    made = instance()
    made.path.unlink()
    if text is not None:
        made.path.write_text(text)
    code, output = made.run()
    assert code == 78 and said in output and "Traceback" not in output


def test_a_secret_that_is_missing_in_the_file_is_named(instance):
    made = instance(spec={"secret_env": ["A", "B"]})
    (made.data_dir / "secrets" / "prod.qwen3-0.json").write_text('{"A": "1"}')
    code, output = made.run()
    assert code == 78 and "lacks B" in output


def test_restarts_are_counted_and_wait(instance):
    made = instance(spec={"restart": restart(first_delay=1)})
    began = time.monotonic()
    counts = []
    for _start in range(3):
        made.run()
        counts.append((made.state()["restarts"], made.state()["streak"]))
    assert counts == [(0, 0), (1, 1), (2, 2)]
    assert time.monotonic() - began >= 1


def test_while_it_waits_it_says_so_and_stops_at_once(instance):
    made = instance()
    made.run()
    made.run()
    process = made.start()
    wait_until(lambda: made.state()["next_try"])
    assert 5 < made.state()["next_try"] - time.time() <= 10
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert "next try in 10 s" in process.communicate(timeout=20)[0]
    assert time.monotonic() - began < 2


def test_after_serving_long_enough_the_count_begins_again(instance):
    made = instance(spec={"restart": restart(reset_after=1)})
    made.run()
    made.state_path.write_text(json.dumps(dict(made.state(), streak=7, started=time.monotonic() - 2)))
    made.run()
    assert made.state()["streak"] == 1


def test_a_state_that_is_broken_counts_as_none(instance):
    made = instance()
    made.state_path.write_text("")
    assert made.run()[0] == 0 and made.state()["restarts"] == 0


def test_the_end_is_noted(instance):
    made = instance()
    made.exited("exited", "3")
    assert not made.state_path.exists()
    made.run()
    made.exited("killed", "KILL")
    assert made.state()["last_exit"] == "killed KILL" and made.state()["healthy_pid"] is None
    made.exited("exited", "0", SERVICE_RESULT="oom-kill")
    assert made.state()["last_exit"] == "exited 0, oom-kill"
    made.path.unlink()
    made.exited("exited", "0")


def locked(made, name):
    with open(made.data_dir / "locks" / name, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def engine(instance, ready, name="qwen3-0", **differences):
    port = free_port()
    spec = {"argv": [sys.executable, "-c", SERVER, str(port), str(ready)], "devices": {"vendor": "declared", "uuids": ["card:0"]}}
    return instance(name, port, spec=dict(spec, **differences))


def serves(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return bool(connection.getresponse().status)
    except OSError:
        return False


def test_starts_on_one_gpu_wait_for_each_other_until_healthy(instance, tmp_path):
    one, two = engine(instance, tmp_path / "ready"), engine(instance, tmp_path / "launcher", "qwen3-1")
    first = one.start()
    try:
        wait_until(lambda: serves(one.record["port"]))
        second = two.start()
        try:
            time.sleep(0.5)
            assert locked(one, "card:0.lock") and not two.state_path.exists() and one.state()["healthy_pid"] is None
            (tmp_path / "ready").write_text("")
            wait_until(lambda: two.state_path.exists() and two.state()["healthy_pid"] == second.pid)
            assert one.state()["healthy_pid"] == first.pid
            wait_until(lambda: not locked(one, "card:0.lock"))
        finally:
            second.kill()
            second.communicate()
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize("ends", ["engine", "deadline"])
def test_the_lock_is_given_up_when_the_engine_will_not_be_healthy(instance, tmp_path, ends):
    deadline = {"path": "/health", "deadline": 1 if ends == "deadline" else 60, "authenticated": False}
    made = engine(instance, tmp_path / "never", health=deadline)
    process = made.start()
    try:
        wait_until(lambda: serves(made.record["port"]))
        assert locked(made, "card:0.lock")
        if ends == "engine":
            process.kill()      # and nobody reaps it yet: a zombie is no engine
        wait_until(lambda: not locked(made, "card:0.lock"))
        assert made.state()["healthy_pid"] is None
    finally:
        process.kill()
        process.communicate()


def test_stopping_while_another_start_holds_the_gpu_is_instant(instance, tmp_path):
    made = engine(instance, tmp_path / "never")
    with open(made.data_dir / "locks" / "card:0.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = made.start()
        time.sleep(0.5)
        assert process.poll() is None and not made.state_path.exists()
        process.terminate()
        assert process.wait(2) == -signal.SIGTERM
        process.communicate()


def test_engines_on_the_cpu_lock_nothing(instance):
    made = instance()
    made.run()
    assert os.listdir(made.data_dir / "locks") == []
