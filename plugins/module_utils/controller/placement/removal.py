# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is named to be removed, whatever the definitions say."""

from __future__ import annotations

import difflib

EVERYTHING = "everything is removed"


def split(remove, replicas):
    """``(named, others)`` of ``replicas`` (list): [(replica, why)] that ``remove`` ({deployments, instances, all}) names, and the rest."""
    named, others = [], []
    for replica in replicas:
        if remove["all"]:
            named.append((replica, EVERYTHING))
        elif replica.deployment in remove["deployments"]:
            named.append((replica, "the deployment %s is removed" % replica.deployment))
        elif replica.id in remove["instances"]:
            named.append((replica, "it is removed"))
        else:
            others.append(replica)
    return named, others


def unknown_names(remove, definitions, replicas):
    """Sentences about names that nothing has."""
    deployments = {definition["name"] for definition in definitions} | {replica.deployment for replica in replicas}
    instances = {replica.id for replica in replicas}
    return ([_unknown("deployment", "modelfleet_remove_deployments", name, deployments)
             for name in sorted(remove["deployments"]) if name not in deployments]
            + [_unknown("instance", "modelfleet_remove_instances", name, instances)
               for name in sorted(remove["instances"]) if name not in instances])


def still_defined(remove, definitions, named):
    """Notes about what the next deploy starts again."""
    stopped = {replica.deployment for replica, _why in named}
    return ["%s still defines %s; the next deploy starts it again" % (definition["file"], definition["name"])
            for definition in definitions if definition["name"] in stopped]


def nearest(name, known):
    """``, did you mean x?`` and what is known, as the end of a sentence."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    hint = ", did you mean %s?" % close[0] if close else ""
    return "%s (known: %s)" % (hint, ", ".join(sorted(known)) or "none")


def _unknown(what, variable, name, known):
    return "%s: there is no %s %s%s" % (variable, what, name, nearest(name, known))
