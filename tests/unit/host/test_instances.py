"""What has to be done so that instances are what a wave says, and what is said of those that do not come up."""

import json
import os
import socket
import time

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.instances.converge import Converger
from ansible_collections.modelfleet.serving.plugins.module_utils.host.instances.steps import steps
from ansible_collections.modelfleet.serving.plugins.module_utils.host.instances.wait import Logs, wait_for_health
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.store import Store
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.states import ServiceStatus
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.systemd import Systemd

KEY = "k" * 32


@pytest.fixture
def store(tmp_path):
    for name in ("records", "state", "secrets", "credentials"):
        (tmp_path / name).mkdir()
    return Store(str(tmp_path), "nobody-of-that-name")


@pytest.fixture
def manager(tmp_path):
    return Systemd(None, str(tmp_path / "units"))


def in_place(store, manager, record, secrets=None):
    """The files of an instance as a run left them."""
    store.write_record(record)
    store.write_secrets(record["fleet"], record["instance"], secrets or {})
    store.write_credential(record["fleet"], record["deployment"], KEY)
    manager.write_settings(record)


def plan(store, manager, record, state="active", restart=(), secrets=None, key=KEY):
    step = steps(store, manager, {record["instance"]: state} if state else {}, [record], list(restart), {"qwen3": secrets or {}}, {"qwen3": key})[0]
    return step.start, step.write


def test_an_instance_that_is_not_here_starts(store, manager, record):
    assert plan(store, manager, record(), state=None) == (True, True)


def test_nothing_differs_nothing_happens(store, manager, record):
    in_place(store, manager, record())
    assert plan(store, manager, record()) == (False, False)
    assert plan(store, manager, record(), state="starting") == (False, False)


@pytest.mark.parametrize("state", ["failed", "stopped", "backing_off"])
def test_what_is_down_starts(store, manager, record, state):
    in_place(store, manager, record())
    assert plan(store, manager, record(), state=state) == (True, False)


@pytest.mark.parametrize("differences", [
    {"generation": 4}, {"registry": {"id": "x"}}, {"definition_digest": "sha256:e"}, {"rendering_digest": "sha256:e"}, {"claim": {"ram": 2, "gpus": {}}},
], ids=lambda differences: next(iter(differences)))  # fmt: skip
def test_what_the_engine_does_not_see_restarts_nothing(store, manager, record, differences):
    in_place(store, manager, record())
    assert plan(store, manager, record(**differences)) == (False, True)


@pytest.mark.parametrize("differences", [
    {"port": 41001}, {"gpus": ["x"]}, {"spec": {"argv": ["/bin/other"]}}, {"spec": {"env": {"A": "1"}}}, {"spec": {"stop_timeout": 5}},
], ids=lambda differences: next(iter(differences)))  # fmt: skip
def test_what_the_engine_sees_restarts_it(store, manager, record, differences):
    in_place(store, manager, record())
    assert plan(store, manager, record(**differences)) == (True, True)


def test_secrets_keys_and_lost_files_restart_it(store, manager, record):
    in_place(store, manager, record(), {"A": "1"})
    assert plan(store, manager, record(), secrets={"A": "1"}) == (False, False)
    assert plan(store, manager, record(), secrets={"A": "2"}) == (True, True)
    assert plan(store, manager, record(), secrets={"A": "1"}, key="other") == (True, True)
    manager.remove_settings("prod", "qwen3-0")
    assert plan(store, manager, record(), secrets={"A": "1"}) == (True, True)


def test_a_restart_that_is_asked_for(store, manager, record):
    in_place(store, manager, record())
    assert plan(store, manager, record(), restart=["qwen3-0"]) == (True, False)


class Recorder(Systemd):
    """systemd where this machine has none: units are as told, what is asked of it is noted with the record that was in force then."""

    def __init__(self, unit_dir, store):
        super().__init__(None, unit_dir)
        self.store, self.calls, self.conditions = store, [], {}

    def _note(self, verb, stems):
        records = {name: (self.store.record(fleet, name) or {}).get("generation") for fleet, name in stems}
        self.calls.append((verb, records))

    def status(self, stems):
        return {stem: self.conditions.get(stem[1], ServiceStatus("stopped")) for stem in stems}

    def start(self, stems):
        self._note("start", stems)
        for _fleet, name in stems:
            self.conditions[name] = ServiceStatus("failed", 0, "exit-code")

    def stop(self, stems):
        self._note("stop", stems)

    def disable(self, stems):
        self._note("disable", stems)

    def reload(self):
        pass


@pytest.fixture
def converger(tmp_path, store):
    def make(**options):
        manager = Recorder(str(tmp_path / "units"), store)
        manager.conditions = options.pop("conditions", {})
        known = {"fleet": "prod", "present": [], "restart": [], "absent": [], "secrets": {}, "credentials": {"qwen3": KEY}, "log_dir": str(tmp_path),
                 "log_patterns": {}}  # fmt: skip
        return Converger(dict(known, **options), store, manager)

    return make


def running(pid=0):
    return ServiceStatus("running", pid)


def test_a_record_takes_effect_after_the_old_engine_stopped(store, converger, manager, record):
    """A run that is cut off before must find that work is left."""
    in_place(store, manager, record(generation=3))
    work = converger(present=[record(generation=4, spec={"env": {"A": "1"}})], conditions={"qwen3-0": running()})
    assert work.changes and work.describe() == ["restart qwen3-0 on port 41000"]
    work.converge()
    assert work.manager.calls == [("stop", {"qwen3-0": 3}), ("start", {"qwen3-0": 4})]


def test_what_leaves_leaves_nothing_but_its_log(tmp_path, store, converger, manager, record):
    for name in ("qwen3-0", "qwen3-1"):
        in_place(store, manager, record(name), {"A": "1"})
    (tmp_path / "prod.qwen3-1.log").write_text("kept")
    work = converger(absent=["qwen3-1", "never-0"])
    assert work.describe() == ["stop and remove qwen3-1"]
    work.converge()
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["credentials/prod.qwen3.key", "prod.qwen3-1.log", "records/prod.qwen3-0.json", "secrets/prod.qwen3-0.json",
                    "units/modelfleet@prod.qwen3-0.service.d/instance.conf"]  # fmt: skip
    converger(absent=["qwen3-0"]).converge()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["prod.qwen3-1.log"]


def test_another_fleet_on_the_host_is_left_alone(store, converger, manager, record):
    in_place(store, manager, record(fleet="other"))
    work = converger(absent=["qwen3-0"])
    assert not work.changes and store.record("other", "qwen3-0")


def test_a_taken_port_names_its_holder_and_leaves_what_runs(store, converger, manager, record):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        work = converger(present=[record(port=holder.getsockname()[1])])
        failure = work.converge()["qwen3-0"]["failure"]
    assert "port %d is taken by pid %d (" % (work.steps[0].record["port"], os.getpid()) in failure["summary"]
    assert work.manager.calls == [] and store.record("prod", "qwen3-0") is None


def test_what_could_not_be_written_leaves_nothing_behind(tmp_path, store, converger, record):
    """A folder in the record's place stands for a disk that fails."""
    os.makedirs(store.record_path("prod", "qwen3-0") + ".next.%d.new" % os.getpid())
    work = converger(present=[record()], secrets={"qwen3": {"A": "1"}})
    failure = work.converge()["qwen3-0"]["failure"]
    assert "records/prod.qwen3-0.json" in failure["cause"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [] and work.manager.calls == []


def waited(store, manager, tmp_path, record, condition, launch, log="", patterns=()):
    if launch is not None:
        with open(store.state_path("prod", "qwen3-0"), "w") as file:
            json.dump(launch, file)
    (tmp_path / "prod.qwen3-0.log").write_text(log)
    manager.status = lambda stems: {stem: condition for stem in stems}
    step = steps(store, manager, {}, [record], [], {}, {"qwen3": KEY})[0]
    return wait_for_health([step], store, manager, Logs(str(tmp_path), {"engine": patterns, "other": [{"pattern": "", "cause": "never"}]}))["qwen3-0"]


@pytest.mark.parametrize(
    "condition, launch, summary",
    [
        (ServiceStatus("failed", 0, "exit-code"), {"last_exit": "exited 78"}, "cannot be started (exited 78)."),
        (ServiceStatus("failed", 0, "resources"), None, "cannot be started (resources)."),
        (ServiceStatus("stopped"), {"last_exit": "exited 0"}, "ended by itself and is not restarted (exited 0)."),
        (ServiceStatus("waiting"), {"last_exit": "killed ABRT", "restarts": 2}, "keeps ending by itself (killed ABRT)."),
    ],
)
def test_a_failure_is_seen_at_once(store, manager, tmp_path, record, condition, launch, summary):
    log = "modelfleet: starting qwen3-0 generation 3 pid 5\nloading\nout of memory\n"
    patterns = [{"pattern": "out of memory", "cause": "give it less context"}]
    outcome = waited(store, manager, tmp_path, record(), condition, launch, log, patterns)
    assert outcome["failure"] == {"summary": summary, "cause": "give it less context", "line": "out of memory", "log": log.splitlines()}
    assert not outcome["healthy"] and outcome["seconds"] < 1


@pytest.mark.parametrize(
    "last_exit, says",
    [
        ("killed KILL", "signal 9 (SIGKILL), probably by the kernel"), ("killed TERM, oom-kill", "ran out of memory"),
        ("dumped ILL", "instruction that this CPU does not have"), ("exited 1", None),
    ],  # fmt: skip
)
def test_an_end_that_leaves_nothing_in_the_log(store, manager, tmp_path, record, last_exit, says):
    log = "modelfleet: starting qwen3-0 generation 3 pid 5\nloading\n"
    outcome = waited(store, manager, tmp_path, record(), ServiceStatus("waiting"), {"last_exit": last_exit, "restarts": 2}, log)
    cause = outcome["failure"]["cause"]
    assert (says in cause if says else cause is None) and outcome["failure"]["line"] is None


def test_the_deadline_counts_from_the_start_of_the_engine(store, manager, tmp_path, record):
    launch = {"started_at": time.time() - 4.5, "restarts": 0, "last_exit": None, "healthy_pid": None}
    outcome = waited(store, manager, tmp_path, record(port=9), running(), launch)
    assert "within 5 s (nothing listens on its port)" in outcome["failure"]["summary"]
    assert 0.3 <= outcome["seconds"] < 2
