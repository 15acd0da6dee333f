"""The registry on a router host: order, validation, keys, and waiting for a router that is played by an admin socket."""

import json
import os
import socket
import threading

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host import registry
from ansible_collections.modelfleet.serving.plugins.module_utils.host.router import RouterFiles
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.files import Trouble

NOBODY = "nobody-of-that-name"


def document(generation=3, revision=1):
    return {"version": 1, "fleet": "prod", "generation": generation, "revision": revision, "models": [], "instances": []}


@pytest.fixture
def files(tmp_path):
    return RouterFiles(str(tmp_path), "prod", str(tmp_path / "admin.sock"))


@pytest.mark.parametrize("known, refused", [(None, False), ((3, 1), False), ((3, 0), False), ((2, 9), False), ((3, 2), True), ((4, 0), True)])
def test_an_older_registry_is_refused(known, refused):
    said = registry.outdated(document(*known) if known else None, document(3, 1))
    assert bool(said) == refused and (not refused or "generation %d, revision %d" % known in said)


def test_it_is_written_once_with_its_keys(files):
    keys = {"qwen3": "k" * 32}
    assert registry.write_registry(files, document(), keys, NOBODY, lambda path: None)
    assert not registry.write_registry(files, document(), keys, NOBODY, lambda path: None)
    assert os.stat(files.keys + "/qwen3.key").st_mode & 0o777 == 0o600
    assert registry.write_registry(files, document(revision=2), keys, NOBODY, lambda path: None)
    with open(files.registry) as file:
        assert json.load(file) == document(revision=2)


def test_what_the_router_refuses_is_not_written(files):
    registry.write_registry(files, document(), {}, NOBODY, lambda path: None)
    with pytest.raises(Trouble, match="no such field"):
        registry.write_registry(files, document(revision=2), {}, NOBODY, lambda path: "no such field")
    with open(files.registry) as file:
        assert json.load(file) == document()
    assert sorted(os.listdir(files.directory)) == ["keys", "registry.json"]


def test_keys_of_models_that_are_gone_go(files):
    registry.write_registry(files, document(), {"a": "1", "b": "2"}, NOBODY, lambda path: None)
    registry.remove_old_keys(files, {"b"})
    assert os.listdir(files.keys) == ["b.key"]


def worker(pid=1, generation=3, revision=1, responsive=True, **in_flight):
    return {"pid": pid, "responsive": responsive, "generation": generation, "revision": revision, "draining": False,
            "in_flight": {name.replace("_", "-"): count for name, count in in_flight.items()}}  # fmt: skip


@pytest.fixture
def play(files):
    """Plays a router that answers GET /status with these lists of workers in turn, the last one for ever; None: it hangs up."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(files.admin_socket)
    listener.listen(50)

    def serve(*answers, refused=None):
        def work():
            number = 0
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                if not connection.recv(65536):
                    continue        # somebody only looked whether it runs
                workers = answers[min(number, len(answers) - 1)]
                number += 1
                if workers is not None:
                    body = json.dumps({"workers": workers, "refused": refused}).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                connection.close()

        threading.Thread(target=work, daemon=True).start()

    yield serve
    listener.close()


def wait(files, drained=(), apply_timeout=1, drain_timeout=2):
    return registry.wait_applied(files, document(), list(drained), apply_timeout, drain_timeout)


def test_no_router_nothing_to_wait_for(files):
    waited = wait(files)
    assert waited["applied"] and waited["idle"] and waited["trouble"] is None


def test_every_process_must_have_applied_it(files, play):
    play([worker(1), worker(2, revision=0)], [worker(1), worker(2, responsive=False)], [worker(1), worker(2)])
    waited = wait(files)
    assert waited["applied"] and waited["trouble"] is None and waited["seconds"] >= 0.3


def test_a_later_registry_counts(files, play):
    play([worker(generation=4, revision=0)])
    assert wait(files)["applied"]


def test_a_process_that_does_not_apply_it_is_named(files, play):
    play([worker(1), worker(77, revision=0)])
    waited = wait(files)
    assert not waited["applied"] and "process 77 has not applied generation 3, revision 1 within 1 s" in waited["trouble"]


def test_a_router_that_does_not_answer_is_not_idle(files, play):
    play(None)
    waited = wait(files, ["a-0"])
    assert not waited["applied"] and "none runs" in waited["trouble"]


def test_a_drain_waits_for_what_is_in_flight_in_every_process(files, play):
    play([worker(1, a_0=1), worker(2)], [worker(1), worker(2, a_0=2, b_0=5)], [worker(1, b_0=5), worker(2)])
    waited = wait(files, ["a-0"])
    assert waited["idle"] and waited["seconds"] >= 0.3


def test_a_drain_ends_at_its_timeout_and_says_what_is_left(files, play):
    play([worker(1, a_0=1)])
    waited = wait(files, ["a-0"])
    assert waited["applied"] and not waited["idle"] and waited["trouble"] is None
    assert waited["workers"][0]["in_flight"] == {"a-0": 1}


def test_what_the_router_says_against_it_is_passed_on(files, play):
    play([worker(1, revision=0)], refused="instances[0].url is not a URL")
    waited = registry.wait_applied(files, document(), [], 10, 10)
    assert "instances[0].url" in waited["trouble"] and waited["seconds"] < 5
