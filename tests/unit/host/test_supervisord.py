"""supervisord for real: what the service manager, the launcher and the module's steps make of engines that end, are killed, or lose their supervisord."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host import report
from ansible_collections.modelfleet.serving.plugins.module_utils.host.instances.converge import Converger
from ansible_collections.modelfleet.serving.plugins.module_utils.host.launch import alone
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.store import Store
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.states import instance_state
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.supervisord import Supervisord
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.supervisord_log import ends_in, last_exit
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.table import Unusable, choose
from conftest import LAUNCH, ROOT
from test_launcher import SERVER, free_port, restart, wait_until

KEY = "k" * 32
# It must not mind that nobody reads what it says any more: this one's server ends when it cannot write its access log.
QUIET = SERVER.replace("    def do_GET", "    def log_message(self, *said):\n        pass\n    def do_GET")
CONFIGURATION = """[supervisord]
directory={top}/supervisor
pidfile={top}/supervisor/supervisord.pid
logfile={top}/supervisor/supervisord.log
[unix_http_server]
file={top}/run/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files=conf.d/*.conf
"""


class Host:
    """A data directory with a supervisord and the launcher in it, as the roles make it, and the wave that the module `instances` does."""

    def __init__(self, top):
        self.top = top
        for name in ("supervisor/conf.d", "supervisor/env/bin", "run", "logs", "home", "launcher", "records", "state", "locks", "secrets", "credentials"):
            (top / name).mkdir(parents=True)
        (top / "supervisor/env/bin/python").symlink_to(sys.executable)
        (top / "supervisor/supervisord.conf").write_text(CONFIGURATION.format(top=top))
        shutil.copy(os.path.join(ROOT, "roles", "host", "files", "launcher.py"), top / "launcher")
        for name in os.listdir(LAUNCH):
            if name.endswith(".py"):
                shutil.copy(os.path.join(LAUNCH, name), top / "launcher")
        self.store = Store(str(top), "nobody-of-that-name")
        self.manager = Supervisord(str(top), str(top / "logs"), str(top / "run"))
        self.process = None

    def power_on(self):
        """Starts supervisord."""
        self.process = subprocess.Popen(
            [os.path.join(os.path.dirname(sys.executable), "supervisord"), "--nodaemon", "--configuration", str(self.top / "supervisor/supervisord.conf")],
            stdout=subprocess.DEVNULL, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"),
        )  # fmt: skip
        wait_until(lambda: self.manager.version())

    def kill_supervisord(self):
        self.process.kill()
        self.process.wait()

    def wave(self, *records, absent=()):
        """{id: outcome}"""
        options = {"fleet": "prod", "present": list(records), "restart": [], "absent": list(absent), "secrets": {}, "log_patterns": {},
                   "log_dir": str(self.top / "logs"), "credentials": {record["deployment"]: KEY for record in records}}  # fmt: skip
        return Converger(options, self.store, self.manager).converge()

    def live(self, instance="qwen3-0"):
        """As host_info tells it."""
        records = [record for record in self.store.records() if record["instance"] == instance]
        return report.live_instances(self.store, records, self.manager)[0]

    def launch(self, instance="qwen3-0"):
        """What the launcher noted; on a busy machine it may not have begun yet."""
        path = self.top / "state" / ("prod.%s.json" % instance)
        return json.loads(path.read_text()) if path.exists() else {"restarts": 0}

    def log(self, instance="qwen3-0"):
        return (self.top / "logs" / ("prod.%s.log" % instance)).read_text()

    def engines(self):
        """The pids of everything that serves from this data directory."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open("/proc/%s/environ" % name, "rb") as file:
                if b"HOME=%s/home" % os.fsencode(self.top) in file.read().split(b"\0") and alone._stat(name)[0] not in "ZX":
                    found.append(int(name))
        return found


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    made.power_on()
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.wait(30)
    for pid in made.engines():
        os.kill(pid, signal.SIGKILL)


def serving(record, instance="qwen3-0", **differences):
    port = free_port()
    spec = {"argv": [sys.executable, "-c", QUIET, str(port)], "stop_timeout": 5, **differences}
    return record(instance, port, spec=spec)


def ending(record, code, instance="qwen3-0", **differences):
    spec = {"argv": [sys.executable, "-c", code], "stop_timeout": 5, **differences}
    return record(instance, free_port(), spec=spec)


def test_an_instance_comes_and_goes(host, record):
    made = serving(record)
    outcome = host.wave(made)["qwen3-0"]
    assert outcome["healthy"] and outcome["failure"] is None
    wait_until(lambda: host.live()["state"] == "active")
    live = host.live()
    assert (live["healthy"], live["pid"], live["restarts"], live["last_exit"]) == (True, outcome["pid"], 0, None)
    assert host.log().startswith("modelfleet: starting qwen3-0 generation 3 pid %d\n" % live["pid"])
    with open("/proc/%d/cmdline" % live["pid"], "rb") as file:
        assert file.read().split(b"\0")[:2] == [os.fsencode(sys.executable), b"-c"], "the process is the engine itself"
    assert not host.wave(made), "nothing differs, nothing happens"
    host.wave(absent=["qwen3-0"])
    assert host.engines() == []
    left = [path for folder in ("records", "state", "credentials", "supervisor/conf.d") for path in (host.top / folder).iterdir()]
    assert left == [] and host.manager._programs() == {}


def test_only_what_the_wave_names_is_touched(host, record):
    one, two = serving(record), serving(record, "qwen3-1")
    host.wave(one, two)
    before = host.live("qwen3-1")["pid"]
    host.manager.write_settings(dict(two, spec=dict(two["spec"], stop_timeout=9)))      # another wave's, already written
    changed = dict(one, spec=dict(one["spec"], env={"A": "1"}))
    pid = host.live()["pid"]
    assert host.wave(changed)["qwen3-0"]["healthy"]
    assert host.live()["pid"] != pid and host.live("qwen3-1")["pid"] == before


def test_a_killed_engine_is_started_again_at_once(host, record):
    host.wave(serving(record))
    wait_until(lambda: host.live()["state"] == "active")
    pid = host.live()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: host.launch()["restarts"] == 1 and host.live()["state"] == "active")
    live = host.live()
    assert live["pid"] not in (0, pid) and (live["restarts"], live["last_exit"]) == (1, "killed KILL")


def test_the_launcher_waits_between_restarts(host, record):
    made = ending(record, "import sys; sys.exit(3)", restart=restart(first_delay=0.4, max_delay=0.8))
    host.wave(made)
    wait_until(lambda: host.launch()["restarts"] >= 5, 20)
    waits = [line.rsplit("next try in ", 1)[1] for line in host.log().splitlines() if "next try in" in line]
    assert len(waits) >= 3 and host.live()["last_exit"] == "exited 3"
    noted = host.launch()
    assert noted["streak"] == noted["restarts"]


def test_a_stop_during_the_wait_is_instant_and_lasts(host, record):
    host.wave(ending(record, "import sys; sys.exit(3)", restart=restart(first_delay=600, max_delay=600)))
    wait_until(lambda: host.live()["next_try"])
    live = host.live()
    assert live["state"] == "backing_off" and live["next_try"] > time.time() + 500
    began = time.monotonic()
    assert host.manager.stop([("prod", "qwen3-0")]) is None
    assert time.monotonic() - began < 5
    time.sleep(1.5)     # supervisord looks at its programs every second
    assert host.live()["state"] == "stopped" and host.engines() == []


@pytest.mark.parametrize("code, on_error, state, said", [
    (78, True, "failed", "exited 78"), (78, False, "failed", "exited 78"), (3, False, "failed", "exited 3"), (0, False, "stopped", "exited 0"),
])  # fmt: skip
def test_an_end_without_a_restart(host, record, code, on_error, state, said):
    made = ending(record, "import sys; print('oh'); sys.exit(%d)" % code, restart=restart(on_error=on_error))
    failure = host.wave(made)["qwen3-0"]["failure"]
    assert said in failure["summary"] and failure["log"][-1] == "oh"
    assert (host.live()["state"], host.live()["last_exit"], host.launch()["restarts"]) == (state, said, 0)


def test_an_end_without_an_error_is_restarted_like_any_other(host, record):
    host.wave(ending(record, "pass", restart=restart(first_delay=600, max_delay=600)))
    assert (host.live()["state"], host.live()["last_exit"]) == ("backing_off", "exited 0")


def test_an_engine_that_does_not_end_is_killed_with_its_helpers(host, record):
    code = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); print('ready', flush=True); time.sleep(600)"
    made = ending(record, code, stop_timeout=1, health={"path": "/", "deadline": 1, "authenticated": False})
    host.manager.write_settings(made)
    assert "did not become healthy" in host.wave(made)["qwen3-0"]["failure"]["summary"]
    text = host.manager.settings_text(made)
    assert "stopwaitsecs=11\n" in text
    (host.top / "supervisor/conf.d/prod.qwen3-0.conf").write_text(text.replace("stopwaitsecs=11", "stopwaitsecs=1"))
    assert host.manager.start([("prod", "qwen3-0")]) is not None, "what runs is not started"
    host.manager.stop([("prod", "qwen3-0")])
    assert host.engines() == []


def test_helpers_that_outlive_their_engine_are_ended(host, record):
    """It ends at once when asked to; its helper, which asks nobody, would keep its memory."""
    code = "import os, signal, time; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.fork() or signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    host.wave(ending(record, code, health={"path": "/", "deadline": 1, "authenticated": False}))
    assert len(host.engines()) >= 2
    host.manager.stop([("prod", "qwen3-0")])
    assert host.engines() == []


def test_after_supervisord_was_killed_the_next_wave_leaves_one_engine(host, record):
    made = serving(record)
    host.wave(made)
    orphan = host.live()["pid"]
    host.kill_supervisord()
    live = host.live()
    assert (live["state"], live["pid"]) == ("stopped", orphan), "it serves on, and is known"
    host.power_on()
    wait_until(lambda: host.engines() == [orphan])
    assert host.live()["state"] == "stopped", "a new supervisord starts nothing by itself"
    outcome = host.wave(made)["qwen3-0"]
    assert outcome["healthy"] and outcome["pid"] != orphan
    wait_until(lambda: host.engines() == [outcome["pid"]])      # what watched its start ends a moment later


def test_what_a_killed_supervisord_left_is_ended_by_the_launcher_too(host, record):
    host.wave(serving(record))
    orphan = host.live()["pid"]
    host.kill_supervisord()
    host.power_on()
    assert host.manager.start([("prod", "qwen3-0")]) is None
    wait_until(lambda: host.live()["state"] == "active")
    wait_until(lambda: host.engines() == [host.live()["pid"]])
    assert host.live()["pid"] != orphan


def test_without_supervisord_instances_can_be_removed(host, record):
    host.wave(serving(record))
    host.kill_supervisord()
    host.wave(absent=["qwen3-0"])
    assert host.engines() == []


def test_a_start_without_supervisord_says_what_to_do(host, record):
    host.kill_supervisord()
    host.manager.write_settings(serving(record))
    assert "deploy again" in host.manager.start([("prod", "qwen3-0")])


def test_a_file_that_supervisord_cannot_read_is_named(host, record):
    (host.top / "supervisor/conf.d/other.conf").write_text("[program:other]\n")
    host.manager.write_settings(serving(record))
    assert "CANT_REREAD" in host.manager.start([("prod", "qwen3-0")]) and "supervisord.log" in host.manager.start([("prod", "qwen3-0")])


def test_a_path_with_a_space(tmp_path, record):
    top = tmp_path / "my fleet"
    top.mkdir()
    made = Host(top)
    made.power_on()
    try:
        assert made.wave(serving(record))["qwen3-0"]["healthy"]
    finally:
        made.process.terminate()
        made.process.wait(30)


def test_a_process_that_got_the_same_number_is_not_ended(tmp_path):
    run = tmp_path / "x.run"
    run.write_text(json.dumps({"pid": os.getpid(), "boot": alone._boot(), "began": 1}))
    assert alone.leader(str(run)) == 0 and alone.end(str(run), 0) == []
    run.write_text(json.dumps({"pid": os.getpid(), "boot": "another", "began": alone._stat(os.getpid())[2]}))
    assert alone.leader(str(run)) == 0 and alone.end(str(run), 0) == []


SAID = """2026-11-21 09:00:00,000 INFO spawned: 'modelfleet@prod.a-0' with pid 10
2026-11-21 09:00:01,000 INFO success: modelfleet@prod.a-0 entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)
2026-11-21 09:00:02,000 WARN exited: modelfleet@prod.a-0 (exit status 1; not expected)
2026-11-21 09:00:02,100 INFO spawned: 'modelfleet@prod.a-0' with pid 11
2026-11-21 09:00:03,000 WARN exited: modelfleet@prod.a-0 (terminated by SIGSEGV (core dumped); not expected)
2026-11-21 09:00:03,100 INFO spawned: 'modelfleet@prod.a-0' with pid 12
2026-11-21 09:00:04,000 INFO stopped: modelfleet@prod.a-0 (exit status 0)
2026-11-21 09:00:05,000 INFO spawned: 'modelfleet@prod.a-0' with pid 13
"""


@pytest.mark.parametrize("launch, said", [
    ({"pid": 10, "restarts": 0}, "exited 0"),
    ({"pid": 13, "restarts": 0}, None),
    ({"pid": 13, "restarts": 1}, "exited 0"),
    ({}, None),
    ({"pid": 99, "restarts": 3, "last_exit": "exited 5"}, "exited 5"),
])  # fmt: skip
def test_how_it_ended_is_read_from_the_log(launch, said):
    ends = ends_in(SAID)["modelfleet@prod.a-0"]
    assert ends == [[10, "exited 1"], [11, "dumped SEGV"], [12, "exited 0"], [13, None]]
    assert last_exit(ends, launch) == said


def options(run_dir, **differences):
    return dict({"fleet": "prod", "data_dir": "/d", "log_dir": "/l", "run_dir": run_dir, "user": "u"}, **differences)


@pytest.mark.parametrize("path", ["/50%", "/a;b", "/a #b", '/"a"', "/it's", "/a\\b"])
def test_a_path_that_its_configuration_cannot_hold_is_refused(path):
    for place in ("data_dir", "log_dir", "run_dir"):
        with pytest.raises(Unusable, match="to paths without %, ;, #"):
            choose("supervisord", None, options(**{"run_dir": "/run/mf", place: path}))


def test_a_path_that_is_too_long_for_sockets_is_refused():
    with pytest.raises(Unusable, match="set modelfleet_run_dir to a shorter directory"):
        choose("supervisord", None, options("/x" * 50))
    name, manager = choose("supervisord", None, options("/run/mf"))
    assert (name, manager.admin_socket("prod"), manager.socket) == ("supervisord", "/run/mf/prod/admin.sock", "/run/mf/s.sock")
    with pytest.raises(Unusable, match="3 characters too long"):
        choose("supervisord", None, options("/" + "x" * 87, fleet="f" * 10))


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd runs this machine")
def test_without_systemd_it_is_supervisord():
    assert choose("auto", None, options(""))[0] == "supervisord"
    with pytest.raises(Unusable, match="systemd does not run this host"):
        choose("systemd", None, options(""))


def test_a_state_of_every_word(host, record):
    assert instance_state(host.manager.status([("prod", "none-0")])[("prod", "none-0")], None, 0) == "stopped"
