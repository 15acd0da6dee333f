"""Filters: what hosts answered, and the secrets of the deployments of a host."""

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.modelfleet.serving.plugins.filter.answers import answers
from ansible_collections.modelfleet.serving.plugins.filter.deployment_secrets import deployment_secrets
from ansible_collections.modelfleet.serving.plugins.filter.names import names


def test_answers_of_hosts_and_of_a_delegated_loop():
    hostvars = {"h1": {"seen": {"changed": True}}, "h2": {}}
    loop = {"results": [{"item": "r1", "unreachable": True}]}
    assert answers(["h1", "h2"], hostvars, "seen", loop) == {"h1": {"changed": True}, "h2": None, "r1": {"item": "r1", "unreachable": True}}


def test_a_loop_that_was_skipped_adds_nothing():
    assert answers([], {}, "seen", {"skipped": True}) == {}


def test_a_host_gets_only_the_secrets_of_its_deployments():
    deployments = [{"name": "a", "secrets": {"HF_TOKEN": "hub"}}, {"name": "b", "secrets": {"KEY": "other"}}, {"name": "c", "secrets": {}}]
    assert deployment_secrets(deployments, {"hub": "t1", "other": "t2"}, ["a", "c"]) == {"a": {"HF_TOKEN": "t1"}}


@pytest.mark.parametrize("value, found", [
    (["qwen3", "chat"], ["qwen3", "chat"]),
    ("qwen3,chat", ["qwen3", "chat"]),
    (" qwen3 , chat ", ["qwen3", "chat"]),
    ("qwen3\nchat\n", ["qwen3", "chat"]),
    ('["qwen3", "chat"]', ["qwen3", "chat"]),
    ("", []), ("  ", []), (None, []), ([], []),
])  # fmt: skip
def test_names_as_lists_command_lines_and_surveys_give_them(value, found):
    assert names(value, "modelfleet_remove_deployments") == found


@pytest.mark.parametrize("value", ["[qwen3]", '[{"qwen3": 1}]', 7, {"qwen3": 1}])
def test_what_holds_no_names_is_refused_by_the_name_of_the_variable(value):
    with pytest.raises(AnsibleFilterError, match="modelfleet_remove_deployments: give names"):
        names(value, "modelfleet_remove_deployments")
