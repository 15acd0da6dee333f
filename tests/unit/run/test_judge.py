"""The judge turns what hosts answered into go, or into sentences that say why not."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.run.judge import judge

FAILURE = {"summary": "did not become healthy within 120 s", "cause": "Port 41000 is taken.", "line": "bind: Address already in use",
           "log": ["bind: Address already in use", "gone"]}


@pytest.mark.parametrize(
    "results, lost, go, words",
    [
        ({}, "stop", True, []),
        ({"h1": None, "h2": {"skipped": True}, "h3": {"changed": True}}, "stop", True, []),
        ({"h1": {"unreachable": True, "msg": "No route\nmore"}}, "stop", False, ["wave 1: h1 cannot be reached: No route"]),
        ({"h1": {"unreachable": True, "msg": "No route"}}, "continue", True, []),
        ({"h1": {"failed": True, "msg": "disk full"}}, "continue", False, ["wave 1: h1: disk full"]),
        ({"h1": {"failed": True, "module_stderr": "Traceback"}}, "stop", False, ["wave 1: h1: Traceback"]),
        ({"h1": {"refused": "run 7 of ann holds the lease"}}, "stop", False, ["h1: run 7 of ann holds the lease"]),
    ],
)
def test_what_stops_a_run(results, lost, go, words):
    assert judge("wave 1", results, lost) == {"go": go, "reasons": words, "unhealthy": []}


def test_a_failed_instance_is_named_with_cause_and_log():
    verdict = judge("wave 2", {"h1": {"instances": {"a-0": {"failure": None}, "a-1": {"failure": FAILURE}}}})
    assert verdict["unhealthy"] == ["a-1"]
    assert verdict["reasons"] == [
        "wave 2: a-1 on h1 did not become healthy within 120 s\n"
        "  likely cause: Port 41000 is taken.\n"
        "  its log says: bind: Address already in use\n"
        "  its last log lines:\n"
        "    bind: Address already in use\n"
        "    gone"
    ]


def test_reasons_are_ordered_by_host():
    verdict = judge("wave 1", {"h2": {"failed": True, "msg": "b"}, "h1": {"failed": True, "msg": "a"}})
    assert verdict["reasons"] == ["wave 1: h1: a", "wave 1: h2: b"]
