"""What a host reports, on this machine and in temporary directories."""

import json
import os
import socket
import threading

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host import report, router
from ansible_collections.modelfleet.serving.plugins.module_utils.host.gpus import declared
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.store import Store
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.states import ServiceStatus

CONTRACT = {
    "name", "address", "config", "python", "python_version", "system", "memory", "disk", "ports", "gpus", "backends", "instances", "problems",
    "remarks", "fence", "fleet", "lease", "router",
}  # fmt: skip


def options(tmp_path, **differences):
    config = {"data_dir": str(tmp_path), "cache_dir": str(tmp_path / "models"), "log_dir": "/var/log/none", "user": "nobody-of-that-name",
              "run_dir": "", "port_range": [41000, 41999]}  # fmt: skip
    known = {"fleet": "prod", "service_manager": "auto", "name": "h1", "address": "10.0.0.1", "gpus": [], "router": False, "router_settings": {}}
    return dict(known, config=config, **differences)


def nothing(argv):
    return 1, "", "no"


def test_a_host_on_which_nothing_is_yet(tmp_path):
    host = report.report(options(tmp_path), nothing, "/usr/bin/python3", "3.9.2")
    assert CONTRACT <= set(host)
    assert (host["instances"], host["backends"], host["fleet"], host["lease"], host["router"]) == ([], {}, None, None, None)
    assert host["fence"]["generation"] == 0 and host["memory"]["ram_total"] > 0 and host["disk"]["cache_free"] > 0


def test_a_broken_record_is_a_problem_and_not_the_end(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "prod.a-0.json").write_text("{")
    host = report.report(options(tmp_path), nothing, "python", "3.9")
    assert any("prod.a-0.json is not JSON" in problem for problem in host["problems"])


def test_one_broken_record_does_not_hide_the_others(tmp_path, record):
    store = Store(str(tmp_path), "nobody-of-that-name")
    store.write_record(record("b-0"))
    (tmp_path / "records" / "prod.a-0.json").write_text("{")
    host = report.report(options(tmp_path), nothing, "python", "3.9")
    assert [live["record"]["instance"] for live in host["instances"]] == ["b-0"]


def test_a_data_directory_of_somebody_else(tmp_path, monkeypatch):
    """As an ordinary user meets what root deployed. Root itself may read everything, so that the refusal is made here."""
    (tmp_path / "records").mkdir()
    listed = os.listdir

    def refuse(path):
        if path == str(tmp_path / "records"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    host = report.report(options(tmp_path), nothing, "python", "3.9")
    said = "%s/records belongs to somebody else and cannot be read: deploy as the user who made it" % tmp_path
    assert host["problems"].count(said) == 1 and host["instances"] == [] and host["fence"] == report.NO_FENCE


@pytest.mark.parametrize("name", ["fleet", "lease"])
def test_a_broken_copy_is_a_problem(tmp_path, name):
    (tmp_path / "fleets" / "prod").mkdir(parents=True)
    (tmp_path / "fleets" / "prod" / (name + ".json")).write_text("no")
    host = report.report(options(tmp_path), nothing, "python", "3.9")
    assert host[name] is None and any(name + ".json is not JSON" in problem for problem in host["problems"])


def test_backends_are_listed_when_complete(tmp_path):
    for build, complete in (("1.0-aa", True), ("2.0-bb", False), ("0.9-cc", True)):
        folder = tmp_path / "backends" / "llama_cpp" / build
        folder.mkdir(parents=True)
        if complete:
            (folder / ".complete").write_text("{}")
    (tmp_path / "backends" / "vllm").mkdir()
    assert report.installed_backends(str(tmp_path)) == {"llama_cpp": ["0.9-cc", "1.0-aa"]}
    assert report.installed_backends(str(tmp_path / "none")) == {}


class Manager:
    def __init__(self, statuses=None, router=True):
        self.statuses = statuses
        self.router = router

    def admin_socket(self, fleet):
        return "/none/%s.sock" % fleet

    def runs_router(self, fleet):
        return self.router

    def status(self, stems):
        return {stem: self.statuses[stem[1]] for stem in stems if stem[1] in self.statuses}


def test_instances_of_every_fleet_with_their_states(tmp_path, record):
    store = Store(str(tmp_path), "nobody-of-that-name")
    with socket.socket() as engine:
        engine.bind(("127.0.0.1", 0))
        port = engine.getsockname()[1]
        for made in (record("a-0", port), record("b-0", fleet="other"), record("c-0"), record("d-0")):
            store.write_record(made)
        os.mkdir(tmp_path / "state")
        state = {"healthy_pid": os.getpid(), "started_at": 900.0, "restarts": 2, "last_exit": "exited 1", "next_try": None}
        (tmp_path / "state" / "prod.a-0.json").write_text(json.dumps(state))
        (tmp_path / "state" / "prod.c-0.json").write_text(json.dumps(dict(state, healthy_pid=None, next_try=4e9)))
        (tmp_path / "state" / "prod.d-0.json").write_text(json.dumps(state))
        statuses = {"a-0": ServiceStatus("running", os.getpid()), "c-0": ServiceStatus("running", 5), "d-0": ServiceStatus("failed")}
        found = {live["record"]["instance"]: live for live in report.live_instances(store, store.records(), Manager(statuses))}
    states = {name: (live["state"], live["healthy"], live["since"], live["next_try"]) for name, live in found.items()}
    assert states == {
        "a-0": ("active", False, 900.0, None),      # its engine does not listen any more
        "b-0": ("stopped", False, None, None),      # no unit is known
        "c-0": ("backing_off", False, None, 4e9),
        "d-0": ("failed", False, None, None),
    }  # fmt: skip
    assert (found["a-0"]["restarts"], found["a-0"]["last_exit"], found["a-0"]["pid"]) == (2, "exited 1", os.getpid())


def test_declared_gpus():
    cards = declared.gpus("h1", [{"memory": "24GiB"}, {"name": "B200", "memory": "180 GiB"}])
    assert [(card["uuid"], card["index"], card["memory_total"], card["name"]) for card in cards] == [
        ("declared:h1:0", 0, 24 * 2**30, "declared GPU"), ("declared:h1:1", 1, 180 * 2**30, "B200"),
    ]  # fmt: skip


@pytest.mark.parametrize("entry, said", [({"name": "x"}, "needs memory"), ({"memory": "24GiB", "uuid": "x"}, "uuid"), ({"memory": "much"}, "as in 24GiB")])
def test_a_declared_gpu_that_is_wrong_is_named(entry, said):
    with pytest.raises(ValueError, match=r"modelfleet_gpus\[1\].* of h1.*%s" % said):
        declared.gpus("h1", [{"memory": "1GiB"}, entry])


@pytest.fixture
def admin(tmp_path):
    """(path of an admin socket, the requests it got): answers each with the next of ``answers``; None says nothing."""
    path, got = str(tmp_path / "admin.sock"), []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve(*answers):
        def work():
            for answer in answers:
                connection = listener.accept()[0]
                got.append(connection.recv(65536).split(b"\r\n")[0].decode())
                if answer is None:
                    connection.recv(1)
                else:
                    body = json.dumps(answer).encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                connection.close()

        threading.Thread(target=work, daemon=True).start()
        return path, got

    yield serve
    listener.close()


def test_the_router_is_asked_over_its_admin_socket(admin):
    path, got = admin({"generation": 3}, {"ok": True})
    assert router.ask(path, "GET", "/status") == {"generation": 3}
    assert router.ask(path, "POST", "/reload") == {"ok": True}
    assert got == ["GET /status HTTP/1.1", "POST /reload HTTP/1.1"]


def test_a_router_that_does_not_answer_is_not_one_that_does_not_run(admin, tmp_path):
    path, _got = admin(None)
    assert router.ask(path, "GET", "/status", timeout=0.2) is None
    assert router.is_up(path)
    assert not router.is_up(str(tmp_path / "none.sock"))
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left.sock"))
    left.close()
    assert not router.is_up(str(tmp_path / "left.sock"))


def test_what_is_known_of_a_router_that_is_down(tmp_path):
    folder = tmp_path / "router" / "prod"
    (folder / "0.1.0-aa").mkdir(parents=True)
    os.symlink("0.1.0-aa", folder / "current")
    (folder / "registry.json").write_text('{"generation": 2}')
    (folder / "setup").write_text("sha256:s\n")
    assert router.report_router(str(tmp_path), "prod", {"listen": "x"}, Manager()) == {
        "version": "0.1.0-aa", "setup": "sha256:s", "settings": {"listen": "x"}, "admin_socket": "/none/prod.sock", "registry": {"generation": 2},
        "status": None,
    }  # fmt: skip
    assert router.report_router(str(tmp_path), "none", {}, Manager())["version"] is None


def test_a_router_whose_service_does_not_run_is_set_up_again(tmp_path):
    (tmp_path / "router" / "prod").mkdir(parents=True)
    (tmp_path / "router" / "prod" / "setup").write_text("sha256:s\n")
    assert router.report_router(str(tmp_path), "prod", {}, Manager(router=False))["setup"] is None
