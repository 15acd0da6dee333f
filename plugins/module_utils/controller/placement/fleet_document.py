# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleet.json before and after a run: the intent, which holds old and planned instances together, and the final state."""

from __future__ import annotations

ENTRY_FIELDS = ("deployment", "ordinal", "generation", "port", "gpus", "claim", "definition_digest", "rendering_digest", "registry")
# They say who wrote last, not what is.
_WRITER = ("run",)


def entry_of(record):
    """A record as fleet.json keeps it."""
    return {field: record[field] for field in ENTRY_FIELDS}


def final_document(fleet, generation, run, hosts, changing, deployments, routers):
    """fleet.json at the end of the run.

    ``fleet``: the merged fleet.json; ``hosts``: {host: {"address", "instances": {id: entry}}} of hosts that were seen or given up;
    ``changing``: names of those that the run changes; ``deployments``: {name: {"applying", "applied"}}; ``routers``: {name: further
    fields}. What differs from ``fleet`` gets ``generation``; all other entries stay, since a merge would not forget an entry that
    was left out.
    """
    return {
        "version": 1,
        "fleet": fleet["fleet"],
        "generation": generation,
        "hosts": _updated(fleet["hosts"], hosts, generation, changing, {"run": run}),
        "deployments": _updated(fleet["deployments"], deployments, generation),
        "overrides": fleet["overrides"],
        "routers": _updated(fleet["routers"], routers, generation),
    }


def intent_document(fleet, final, definitions, existing):
    """fleet.json while the run lasts.

    ``existing``: {host: {id: entry}} of the hosts before the run; ``definitions``: {name: definition}.
    """
    hosts = {name: {**entry, "instances": dict(sorted({**existing.get(name, {}), **entry["instances"]}.items()))}
             for name, entry in final["hosts"].items()}
    deployments = {}
    for name, entry in final["deployments"].items():
        old = fleet["deployments"].get(name)
        if entry != old:
            entry = {**entry, "applying": definitions.get(name), "applied": old["applied"] if old else None}
        deployments[name] = entry
    return {**final, "hosts": hosts, "deployments": deployments}


def same_content(one, other):
    """Whether two documents (or None) say the same, whoever wrote them."""
    return _content(one) == _content(other)


def _content(document):
    if not document:
        return None
    hosts = {name: {key: value for key, value in entry.items() if key not in _WRITER}
             for name, entry in document["hosts"].items()}
    return {**{key: value for key, value in document.items() if key != "generation"}, "hosts": hosts}


def _updated(entries, wanted, generation, changing=frozenset(), writer=None):
    result = dict(entries)
    for name, content in wanted.items():
        old = entries.get(name)
        if old is None or name in changing or _said(old) != content:
            result[name] = {"generation": generation, **(writer or {}), **content}
    return dict(sorted(result.items()))


def _said(entry):
    return {key: value for key, value in entry.items() if key != "generation" and key not in _WRITER}
