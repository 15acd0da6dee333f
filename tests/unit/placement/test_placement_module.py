# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them, and what they make of registered results."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.modelfleet.serving.plugins.filter.credentials import credentials
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement import request as requests
from fleets import definition, host, request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
KEY = "0123456789abcdef0123456789abcdef"


def run(name, **arguments):
    """The result of a module run as its own process."""
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.modelfleet.serving.plugins.modules.%s" % name],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.path.join(ROOT, ".collections")})
    return json.loads(done.stdout.strip().splitlines()[-1])


def placement(definitions, hosts, **arguments):
    asked = request(definitions, hosts)
    reports = {name: {"host": report} for name, report in asked["hosts"].items()}
    models = {name: {"models": found} for name, found in asked["models"].items()}
    return run("placement", **{
        "fleet": "demo", "collection_dir": ROOT, "deployments": definitions, "inventory": sorted(asked["hosts"]), "routers": [],
        "reports": reports, "models": models, "key": KEY, "_ansible_diff": True, **arguments})


def test_a_plan_and_what_the_plays_need():
    result = placement([definition(replicas=2, secrets={"TOKEN": "hub"})], [host("h1"), host("h2")], secrets={"hub": "a-long-secret"})
    assert not result.get("failed"), result
    assert result["changed"] is False and result["plan"]["changed"] is True
    assert result["diff"]["prepared"] == "\n".join(result["plan"]["text"]) + "\n"
    assert result["groups"] == [{"host": name, "groups": ["modelfleet_reachable", "modelfleet_changing"]} for name in ("h1", "h2")]
    assert result["registry_waves"] == [{"index": 0, "drain": [], "instances": ["qwen3-0", "qwen3-1"]}]
    assert "@" in result["holder"] and result["plan"]["run"]
    assert "a-long-secret" not in json.dumps(result)


def test_hosts_and_routers_that_cannot_be_seen():
    router = {**host("r1"), "router": {"version": None, "setup": None, "registry": None, "status": None, "settings": None}}
    reports = {"h1": {"host": host("h1")}, "h2": {"unreachable": True, "msg": "Failed to connect\nto the host"}, "r1": {"host": router}}
    result = placement([definition()], [host("h1")], inventory=["h1", "h2", "h3"], routers=["r1"], reports=reports)
    assert result["hidden_routers"] == ["r1"] and result["routers"] == ["r1"]
    assert [group["host"] for group in result["groups"]] == ["h1"]
    notes = result["plan"]["notes"]
    assert "h2: it cannot be reached: Failed to connect; no instance of the fleet is known there" in notes
    assert ("this run is limited to 2 of 3 hosts (--limit): it changes instances on h1 and h2 only, and tells every router; a run without "
            "--limit brings the others up to date") in notes


def test_refusals_are_sentences():
    result = placement([definition()], [host("h1")], replace_hosts=["h11"])
    assert result["failed"] and result["errors"] == [
        "modelfleet_replace_hosts: there is no host h11, did you mean h1? (known: h1)"]
    result = placement([definition(secrets={"TOKEN": "hub"})], [host("h1")], secrets={"hug": "a-long-secret"})
    assert result["msg"] == ("There is no plan: deployments/qwen3.yml: secrets.TOKEN: modelfleet_secrets has no hub, did you mean hug? "
                             "(known: hug)")


def test_a_secret_that_hiding_would_spoil_everything_with():
    with pytest.raises(ValueError, match="modelfleet_secrets.pin has fewer than 8 characters"):
        requests.secret_digests([], {"pin": "1234"}, KEY)


def test_secrets_are_told_apart_by_value_and_not_by_name():
    digests = [requests.secret_digests([definition(secrets={"TOKEN": name})], secrets, KEY)["qwen3"] for name, secrets in (
        ("a", {"a": "first-value"}), ("b", {"b": "first-value"}), ("a", {"a": "other-value"}))]
    assert digests[0] == digests[1] != digests[2]


def test_something_drives_the_calls_to_routers_when_no_instance_changes():
    plan = {"changed": True, "hosts": {}, "routers_to_install": ["h2"]}
    assert requests.play_groups(plan, ["h2", "h1"]) == [
        {"host": "h1", "groups": ["modelfleet_reachable", "modelfleet_changing"]},
        {"host": "h2", "groups": ["modelfleet_reachable", "modelfleet_installing_routers"]}]
    assert requests.play_groups({**plan, "changed": False}, ["h1"]) == []


def test_models_that_could_not_be_read():
    found = requests.models_of({"h1": {"failed": True, "msg": "boom"}, "h2": {"skipped": True}, "h3": None}, [definition()])
    assert found == {"h1": {"qwen3": {"path": None, "found": False, "error": "the models could not be read: boom", "metadata": None}}}


def test_status():
    result = run("status", fleet="demo", inventory=["h1", "h2"], routers=["h1"],
                 reports={"h1": {"host": host("h1")}, "h2": {"failed": True, "msg": "no python"}})
    assert result["text"][0] == "Fleet demo, generation 0"
    assert [(found["name"], found["state"], found["reason"]) for found in result["fleet"]["hosts"]] == [
        ("h1", "ready", None), ("h2", "not seen", "it could not be examined: no python")]
    assert result["fleet"]["routers"][0]["state"] == "not installed"


def test_credentials():
    keys = credentials(KEY, "demo", ["a", "b"])
    assert keys == credentials(KEY, "demo", ["b", "a"]) and len(set(keys.values())) == 2
    assert keys["a"] != credentials(KEY, "other", ["a"])["a"] and len(keys["a"]) == 64
    with pytest.raises(AnsibleFilterError, match="openssl rand -hex 32"):
        credentials("short", "demo", ["a"])
