"""What systemd says and what it is told. The texts are recorded from systemd 252 and 257."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.states import ServiceStatus, instance_state
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.systemd import Systemd, drop_in_text, parse_show

NOW = 1000.0


def shown(active, sub, pid=0, result="success", unit="modelfleet@prod.qwen3-0.service"):
    return "MainPID=%d\nResult=%s\nId=%s\nActiveState=%s\nSubState=%s\n" % (pid, result, unit, active, sub)


@pytest.mark.parametrize(
    "active, sub, pid, result, launch, state",
    [
        ("active", "running", 7, "success", {"healthy_pid": 7}, "active"),
        ("active", "running", 7, "success", {"healthy_pid": 6}, "starting"),
        ("active", "running", 7, "success", {"healthy_pid": None}, "starting"),
        ("active", "running", 7, "success", None, "starting"),
        ("active", "running", 7, "success", {"next_try": NOW + 5, "healthy_pid": None}, "backing_off"),
        ("active", "running", 7, "success", {"next_try": NOW - 5, "healthy_pid": None}, "starting"),
        ("activating", "auto-restart", 0, "exit-code", {"healthy_pid": None}, "backing_off"),
        ("activating", "auto-restart-queued", 0, "exit-code", {"healthy_pid": None}, "backing_off"),
        ("failed", "failed-before-auto-restart", 0, "exit-code", {"healthy_pid": None}, "backing_off"),
        ("activating", "start", 7, "success", None, "starting"),
        ("deactivating", "stop-post", 0, "exit-code", {"healthy_pid": None}, "starting"),
        ("failed", "failed", 0, "exit-code", {"healthy_pid": None}, "failed"),
        ("failed", "failed", 0, "exit-code", {"next_try": NOW + 5}, "failed"),
        ("inactive", "dead", 0, "success", {"next_try": NOW + 5}, "stopped"),
        ("inactive", "dead", 0, "success", None, "stopped"),
    ],
)
def test_the_state_of_an_instance(active, sub, pid, result, launch, state):
    status = parse_show(shown(active, sub, pid, result))["modelfleet@prod.qwen3-0.service"]
    assert status.pid == pid and status.detail == result
    assert instance_state(status, launch, NOW) == state


def test_many_units_in_one_answer():
    text = "\n".join(shown("active", "running", pid, unit="modelfleet@prod.a-%d.service" % pid) for pid in (1, 2, 3))
    assert {unit: status.pid for unit, status in parse_show(text).items()} == {"modelfleet@prod.a-%d.service" % pid: pid for pid in (1, 2, 3)}
    assert parse_show("") == {}


def test_one_call_asks_for_all_units():
    calls = []

    def run(argv):
        calls.append(argv)
        return 0, shown("active", "running", 7) + "\n" + shown("inactive", "dead", unit="modelfleet@other.b-1.service"), ""

    found = Systemd(run).status([("prod", "qwen3-0"), ("other", "b-1")])
    assert {stem: status.condition for stem, status in found.items()} == {("prod", "qwen3-0"): "running", ("other", "b-1"): "stopped"}
    assert len(calls) == 1 and calls[0][-2:] == ["modelfleet@other.b-1.service", "modelfleet@prod.qwen3-0.service"]


def test_no_units_no_call():
    assert Systemd(lambda argv: 1 / 0).status([]) == {}


def test_what_systemd_says_against_a_start_is_returned():
    assert Systemd(lambda argv: (1, "", "Unit is masked.\n") if "start" in argv else (0, "", "")).start([("prod", "a-0")]) == "Unit is masked."


def test_systemd_waits_longer_than_the_engine_may_take(record):
    text = drop_in_text(record())
    assert "TimeoutStopSec=70\n" in text and "RestartPreventExitStatus=78\n" in text and "Restart=" not in text.replace("RestartPrevent", "")
    assert "\nRestart=no\n" in drop_in_text(record(spec={"restart": dict(record()["spec"]["restart"], on_error=False)}))


def test_a_drop_in_is_compared_written_and_removed(tmp_path, record):
    manager = Systemd(None, str(tmp_path))
    assert manager.settings_differ(record())
    manager.write_settings(record())
    assert not manager.settings_differ(record())
    assert manager.settings_differ(record(spec={"stop_timeout": 5}))
    manager.remove_settings("prod", "qwen3-0")
    assert list(tmp_path.iterdir()) == []
    manager.remove_settings("prod", "qwen3-0")


def test_a_drop_in_of_the_administrator_stays(tmp_path, record):
    manager = Systemd(None, str(tmp_path))
    manager.write_settings(record())
    own = tmp_path / "modelfleet@prod.qwen3-0.service.d" / "override.conf"
    own.write_text("[Service]\nNice=5\n")
    manager.remove_settings("prod", "qwen3-0")
    assert own.read_text().endswith("Nice=5\n") and not (own.parent / "instance.conf").exists()


def test_a_unit_that_was_never_seen_is_stopped():
    assert instance_state(ServiceStatus("stopped"), None, NOW) == "stopped"
