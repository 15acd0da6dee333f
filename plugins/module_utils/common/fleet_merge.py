# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges copies of fleet.json: what hosts, routers and runs that could not see each other wrote."""

from __future__ import annotations

from .canonical import canonical_json

SECTIONS = ("hosts", "deployments", "overrides", "routers")
"""Maps of entries, each with a ``generation``: the higher one wins."""


def empty_fleet(fleet):
    """The fleet.json of a fleet of which nothing is known."""
    return {"version": 1, "fleet": fleet, "generation": 0, "hosts": {}, "deployments": {}, "overrides": {}, "routers": {}}


def merge_fleets(documents):
    """One document out of copies of the same fleet's fleet.json; their order does not matter.

    Per entry the higher generation counts; entries of one generation that differ are united (instances of hosts) or decided by
    their canonical JSON. Raises ValueError for no documents or for copies of different fleets.
    """
    fleets = {document["fleet"] for document in documents}
    if len(fleets) != 1:
        raise ValueError("cannot merge the fleet.json of %s" % (", ".join(sorted(fleets)) or "nothing"))
    merged = empty_fleet(fleets.pop())
    merged["generation"] = max(document["generation"] for document in documents)
    for section in SECTIONS:
        names = sorted({name for document in documents for name in document.get(section, {})})
        for name in names:
            merged[section][name] = _merge_entries(
                [document[section][name] for document in documents if name in document.get(section, {})]
            )
    return merged


def written_over(known, document):
    """fleet.json after the run that holds the lease wrote ``document`` (fleet.json as its plan has it) over ``known``.

    Unlike copies that are merged, entries of the same generation are replaced: the end of a run replaces its intent, which has the same
    generation. Only what another run wrote about a host with that generation is united.
    """
    merged = merge_fleets([known, document])
    for section in SECTIONS:
        for name, entry in document.get(section, {}).items():
            old = known.get(section, {}).get(name)
            if old and old["generation"] == entry["generation"] and old.get("run") == entry.get("run"):
                merged[section][name] = entry
    return merged


def _merge_entries(entries):
    newest = max(entry["generation"] for entry in entries)
    rivals = sorted((entry for entry in entries if entry["generation"] == newest), key=_without_instances)
    chosen = dict(rivals[-1])
    if "instances" in chosen:
        chosen["instances"] = _union([entry["instances"] for entry in rivals])
    return chosen


def _without_instances(entry):
    """Decides between entries; a union must not change who wins, or the order of merging would count."""
    return canonical_json({key: value for key, value in entry.items() if key != "instances"})


def _union(maps):
    union = {}
    for instances in maps:
        for name, instance in instances.items():
            known = union.get(name)
            if known is None or _rank(instance) > _rank(known):
                union[name] = instance
    return {name: union[name] for name in sorted(union)}


def _rank(instance):
    return (instance["generation"], canonical_json(instance))
