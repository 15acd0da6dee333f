# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry at every moment of a plan."""

from __future__ import annotations

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.registry_document import registry_document


def entry(identifier, port=1):
    return {"id": identifier, "model": identifier.rpartition("-")[0], "url": "http://10.0.0.1:%d" % port, "state": "active"}


def model(name, *aliases, **fields):
    return {"name": name, "aliases": list(aliases), "categories": [], "balancing": "least_outstanding", "limits": None, **fields}


PLAN = {
    "fleet": "demo", "generation": 7,
    "registry": {
        "models": [model("a", "x", "b"), model("b", "x", leaving=True)],
        "before": {"a-0": entry("a-0"), "a-1": entry("a-1"), "b-0": entry("b-0"), "a-9": entry("a-9")},
        "after": {"a-0": entry("a-0", 2), "a-1": entry("a-1", 2), "a-2": entry("a-2", 2), "a-9": entry("a-9")},
    },
    "waves": [
        {"drain": ["a-0"], "instances": ["a-0", "a-2"]},
        {"drain": ["a-1"], "instances": ["a-1"]},
        {"drain": ["b-0"], "instances": ["b-0"]},
    ],
}


def seen(wave, phase, failed=()):
    document = registry_document(PLAN, wave, phase, failed)
    return document["revision"], {item["id"]: (item["url"][-1], item["state"]) for item in document["instances"]}


@pytest.mark.parametrize("wave, phase, revision, instances", [
    (0, "drain", 1, {"a-0": ("1", "draining"), "a-1": ("1", "active"), "a-9": ("1", "active"), "b-0": ("1", "active")}),
    (0, "done", 2, {"a-0": ("2", "active"), "a-1": ("1", "active"), "a-2": ("2", "active"), "a-9": ("1", "active"),
                    "b-0": ("1", "active")}),
    (1, "drain", 3, {"a-0": ("2", "active"), "a-1": ("1", "draining"), "a-2": ("2", "active"), "a-9": ("1", "active"),
                     "b-0": ("1", "active")}),
    (2, "drain", 5, {"a-0": ("2", "active"), "a-1": ("2", "active"), "a-2": ("2", "active"), "a-9": ("1", "active"),
                     "b-0": ("1", "draining")}),
    (3, "final", 7, {"a-0": ("2", "active"), "a-1": ("2", "active"), "a-2": ("2", "active"), "a-9": ("1", "active")}),
    (0, "final", 7, {"a-0": ("1", "active"), "a-1": ("1", "active"), "a-9": ("1", "active"), "b-0": ("1", "active")}),
])
def test_moments(wave, phase, revision, instances):
    assert seen(wave, phase) == (revision, instances)


def test_a_run_that_stops_leaves_out_what_failed():
    assert seen(1, "final", ["a-0"])[1] == {"a-1": ("1", "active"), "a-2": ("2", "active"), "a-9": ("1", "active"), "b-0": ("1", "active")}


def test_names_are_there_once_and_models_go_with_their_last_instance():
    during = registry_document(PLAN, 0, "drain")["models"]
    assert [(item["name"], item["aliases"]) for item in during] == [("a", ["x"]), ("b", [])]
    assert [(item["name"], item["aliases"]) for item in registry_document(PLAN, 3, "final")["models"]] == [("a", ["x", "b"])]
    assert all("leaving" not in item for item in during)


def test_an_unknown_phase():
    with pytest.raises(ValueError, match="not one of drain, done, final"):
        registry_document(PLAN, 0, "later")
