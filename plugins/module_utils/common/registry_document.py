# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry document of any moment of a plan, a pure function: the planner compares with it, hosts write it."""

from __future__ import annotations

PHASES = ("drain", "done", "final")


def registry_document(plan, wave, phase, failed=()):
    """The registry while ``wave`` (an index) is in ``phase``.

    ``plan``: {fleet, generation, registry: {models, before: {id: entry}, after: {id: entry}}, waves: [{drain: [ids], instances: [ids]}]}.
    ``phase``: "drain" (what the wave drains is marked), "done" (the wave is over), or "final" (``wave`` waves are over and no more
    follow). ``failed``: ids that did not become healthy; they are left out. Instances of earlier waves are as in ``after``, those of
    later waves as in ``before``; instances of no wave are as in ``after``. Raises ValueError for an unknown phase.
    """
    if phase not in PHASES:
        raise ValueError("the phase is %r, not one of %s" % (phase, ", ".join(PHASES)))
    waves, registry = plan["waves"], plan["registry"]
    over = wave + 1 if phase == "done" else wave
    still_before = {identifier for later in waves[over:] for identifier in later["instances"]}
    draining = set(waves[wave]["drain"]) if phase == "drain" else set()
    instances = []
    for identifier in sorted(set(registry["before"]) | set(registry["after"])):
        entry = registry["before" if identifier in still_before else "after"].get(identifier)
        if entry and identifier not in failed:
            instances.append({**entry, "state": "draining" if identifier in draining else "active"})
    # The last word of a run is above everything that it may have written before, also where it stopped in the middle.
    revision = {"drain": 2 * wave + 1, "done": 2 * wave + 2, "final": 2 * len(waves) + 1}[phase]
    return {
        "version": 1,
        "fleet": plan["fleet"],
        "generation": plan["generation"],
        "revision": revision,
        "models": _models(registry["models"], {instance["model"] for instance in instances}),
        "instances": instances,
    }


def _models(models, served):
    """Models without the marking of those that leave, which go with their last instance. No name or alias comes twice."""
    staying = [model for model in models if not model.get("leaving") or model["name"] in served]
    taken = {model["name"] for model in staying}
    result = []
    for model in sorted(staying, key=lambda model: (bool(model.get("leaving")), model["name"])):
        aliases = [alias for alias in model["aliases"] if alias not in taken]
        taken.update(aliases)
        result.append({**{key: value for key, value in model.items() if key != "leaving"}, "aliases": aliases})
    return sorted(result, key=lambda model: model["name"])
