"""What people read when a model cannot be served, and the module itself on several Pythons."""

import json
import os
import subprocess
import sys

import gguf_bytes as build
import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.access import Reader, obstacle
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.local import inspect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
NOBODY = Reader("modelfleet", 64999, [64999])


@pytest.fixture
def folder(tmp_path):
    """A directory that everybody can reach (pytest's own is private)."""
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        os.chmod(path, 0o755)
    return tmp_path


def error(path, **more):
    answer = inspect(str(path), "gpu01", **more)
    assert answer["metadata"] is None
    return answer["error"].replace(str(path.parent), "DIR")


def test_a_sound_model(folder):
    (folder / "x.gguf").write_bytes(build.model())
    answer = inspect(str(folder / "x.gguf"), "gpu01")
    assert (answer["path"], answer["found"], answer["error"]) == (str(folder / "x.gguf"), True, None)
    assert answer["metadata"]["architecture"] == "llama"


def test_missing_files(folder):
    assert error(folder / "qwen3-8b-q4.gguf") == "gpu01: DIR/qwen3-8b-q4.gguf: no such file"
    assert inspect(str(folder / "x"))["found"] is False
    (folder / "qwen3-8b-q4.gguf").write_bytes(build.model())
    assert (
        error(folder / "qwen3-8b-q5.gguf")
        == "gpu01: DIR/qwen3-8b-q5.gguf: no such file (did you mean qwen3-8b-q4.gguf?)"
    )
    assert error(folder / "a" / "b.gguf") == "gpu01: DIR/b.gguf: no such file (DIR does not exist)"
    (folder / "link.gguf").symlink_to("nowhere")
    assert error(folder / "link.gguf") == "gpu01: DIR/link.gguf: no such file (a link that leads nowhere)"


def test_without_a_host_the_sentence_begins_with_the_path():
    assert inspect("/nowhere/x.gguf")["error"] == "/nowhere/x.gguf: no such file (/nowhere does not exist)"


def test_broken_files(folder):
    (folder / "x.gguf").write_bytes(build.model()[:-10])
    answer = inspect(str(folder / "x.gguf"), "gpu01")
    assert answer["found"] is True
    assert answer["error"].startswith("gpu01: %s/x.gguf: the file is cut off: 10 bytes are missing" % folder)
    (folder / "sub").mkdir()
    assert error(folder / "sub") == "gpu01: DIR/sub: is a directory without a model (GGUF, or safetensors with config.json)"
    assert error(folder / "x.gguf" / "y") == "gpu01: DIR/y: cannot be read: Not a directory"


def test_a_named_pipe_does_not_wait_for_ever(folder):
    os.mkfifo(folder / "pipe.gguf")
    assert error(folder / "pipe.gguf") == "gpu01: DIR/pipe.gguf: is not a regular file"


def test_what_stops_the_service_user(folder):
    private = folder / "private"
    private.mkdir()
    path = private / "x.gguf"
    path.write_bytes(build.model())
    os.chmod(path, 0o644)
    os.chmod(private, 0o755)
    assert obstacle(str(path), NOBODY) is None
    os.chmod(private, 0o744)
    assert obstacle(str(path), NOBODY) == (str(private), "x")
    assert obstacle(str(private), NOBODY) == (str(private), "x")
    os.chmod(private, 0o711)
    assert obstacle(str(path), NOBODY) is None
    assert obstacle(str(private), NOBODY) == (str(private), "r")
    os.chmod(path, 0o640)
    assert obstacle(str(path), NOBODY) == (str(path), "r")
    owner = os.stat(path)
    assert obstacle(str(path), Reader("member", 64999, [owner.st_gid])) is None
    assert obstacle(str(path), Reader("root", 0, [])) is None
    os.chmod(path, 0o044)
    assert obstacle(str(path), Reader("owner", owner.st_uid or 1, [owner.st_gid])) is None


def test_the_owner_is_judged_by_the_owner_bits_only(tmp_path):
    class Status:
        st_uid, st_gid, st_mode = 1000, 1000, 0o100077

    assert not Reader("owner", 1000, [1000]).may(Status, "r")
    assert Reader("member", 1001, [1000]).may(Status, "r")
    assert Reader("other", 1001, [1001]).may(Status, "r")


def test_a_link_into_a_private_directory(folder):
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "x.gguf").write_bytes(build.model())
    (folder / "link.gguf").symlink_to(private / "x.gguf")
    assert obstacle(str(folder / "link.gguf"), NOBODY) == (str(private), "x")


def test_a_user_that_does_not_exist_yet_is_judged_as_everybody(folder):
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "x.gguf").write_bytes(build.model())
    answer = inspect(str(private / "x.gguf"), "gpu01", "no-such-user")
    assert answer["error"] == "gpu01: %s/x.gguf: permission denied at %s (user no-such-user needs x)" % (
        private,
        private,
    )
    os.chmod(private, 0o755)
    os.chmod(private / "x.gguf", 0o644)
    assert inspect(str(private / "x.gguf"), "gpu01", "no-such-user")["error"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_directory_that_the_module_itself_may_not_enter(folder):
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "x.gguf").write_bytes(build.model())
    program = (
        "import os, sys, json; sys.path.insert(0, sys.argv[1]);"
        "from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.local import inspect;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); print(json.dumps(inspect(sys.argv[2], 'gpu01')))"
    )
    arguments = [sys.executable, "-c", program, os.path.join(ROOT, ".collections"), str(private / "x.gguf")]
    answer = json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
    assert answer["error"] == "gpu01: %s/x.gguf: permission denied at %s (user nobody needs x)" % (private, private)


def run_module(arguments):
    environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, ".collections")}
    module = "ansible_collections.modelfleet.serving.plugins.modules.model_info"
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    return json.loads(done.stdout)


def test_the_module(folder):
    (folder / "x.gguf").write_bytes(build.model())
    models = {
        "a": {"path": str(folder / "x.gguf")},
        "b": {"path": str(folder / "y.gguf")},
        "c": {"path": str(folder / "x.gguf")},
    }
    result = run_module({"models": models, "host": "gpu01", "_ansible_check_mode": True})
    assert result["changed"] is False and "failed" not in result
    assert result["models"]["a"] == result["models"]["c"]
    assert result["models"]["a"]["metadata"]["format"] == "gguf"
    assert result["models"]["b"]["error"] == "gpu01: %s/y.gguf: no such file (did you mean x.gguf?)" % folder


def test_a_relative_path_begins_in_the_cache_directory(folder):
    (folder / "x.gguf").write_bytes(build.model())
    found = run_module({"models": {"a": {"path": "x.gguf"}}, "cache_dir": str(folder)})["models"]["a"]
    assert found["path"] == str(folder / "x.gguf") and found["metadata"]["files"][0]["path"] == str(folder / "x.gguf")


@pytest.mark.parametrize("source", [{}, {"path": ""}, "text", {"path": 1}])
def test_the_module_refuses_what_is_no_path(source):
    result = run_module({"models": {"a": source}})
    assert result["failed"] and result["msg"] == "models.a must be a dictionary with path, a text"
