# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the planner's request from what Ansible registered."""

from __future__ import annotations

from ...common.canonical import keyed_digest
from .removal import nearest

SHORTEST_SECRET = 8


def reports_of(results):
    """``(reports, lost)``: {name: host report, or None} and {name: why} of those that were asked in vain.

    ``results``: {name: the registered result of host_info, or None where the host was not asked}.
    """
    reports, lost = {}, {}
    for name, result in sorted(results.items()):
        reports[name] = (result or {}).get("host")
        if result and reports[name] is None and not result.get("skipped"):
            lost[name] = ("it cannot be reached: %s" if result.get("unreachable") else "it could not be examined: %s") % _message(result)
    return reports, lost


def models_of(results, deployments):
    """{host: {deployment: entry of model_info}} from {host: the registered result of model_info, or None}."""
    models = {}
    for name, result in sorted(results.items()):
        if not result or result.get("skipped") or result.get("unreachable"):
            continue
        if result.get("failed"):
            failure = {"path": None, "found": False, "error": "the models could not be read: %s" % _message(result), "metadata": None}
            models[name] = {deployment["name"]: failure for deployment in deployments}
        else:
            models[name] = result["models"]
    return models


def secret_digests(deployments, secrets, key):
    """{deployment: keyed digest of the values that it names}. Raises ValueError for a name that ``secrets`` lacks, and short values."""
    for name in sorted(secrets):
        if len(str(secrets[name])) < SHORTEST_SECRET:
            # Ansible hides a secret by replacing it wherever it occurs in a result: a short one would spoil the plan.
            raise ValueError("modelfleet_secrets.%s has fewer than %d characters" % (name, SHORTEST_SECRET))
    digests = {}
    for definition in deployments:
        for variable, name in sorted(definition["secrets"].items()):
            if name not in secrets:
                raise ValueError("%s: secrets.%s: modelfleet_secrets has no %s%s"
                                 % (definition["file"], variable, name, nearest(name, secrets)))
        if definition["secrets"]:
            values = {variable: secrets[name] for variable, name in definition["secrets"].items()}
            digests[definition["name"]] = keyed_digest(key, values)
    return digests


def play_groups(plan, visible):
    """[{host, groups}] for the plays that carry a plan out. ``visible``: hosts and routers that answered and are in the play."""
    if not plan["changed"]:
        return []
    groups = {name: ["modelfleet_reachable"] for name in sorted(visible)}
    for name in plan["hosts"]:
        groups[name].append("modelfleet_changing")
    if groups and not plan["hosts"]:
        # Calls to routers are made from a host of this group, also when no instance changes.
        groups[min(groups)].append("modelfleet_changing")
    for name in plan["routers_to_install"]:
        if name in groups:
            groups[name].append("modelfleet_installing_routers")
    return [{"host": name, "groups": found} for name, found in groups.items()]


def registry_waves(plan):
    """The waves as the module `registry` needs them."""
    return [{key: wave[key] for key in ("index", "drain", "instances")} for wave in plan["waves"]]


def _message(result):
    lines = str(result.get("msg") or "no answer").strip().splitlines()
    return lines[0] if lines else "no answer"
