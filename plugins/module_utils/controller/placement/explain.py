# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as people read plans: what changes, line by line with a sign, what cannot be placed and why, and a summary."""

from __future__ import annotations

from .pending import describe_needed
from .units import count, human, human_free

SIGNS = {"start": "+", "stop": "-", "restart": "~", "refresh": "~", "retry": "~", "move": "~", "keep": "="}
_VERBS = (("start", "to start"), ("restart", "to restart"), ("refresh", "to refresh"), ("retry", "to retry"), ("move", "to move"),
          ("stop", "to stop"))


def explain(plan, definitions, actual, hosts):
    """``(text, recap)``: lines."""
    if plan["changed"]:
        lines = ["Fleet %s, generation %d -> %d" % (plan["fleet"], actual.generation, plan["generation"])]
    else:
        lines = ["Fleet %s, generation %d" % (plan["fleet"], plan["generation"])]
    names = sorted({definition["name"] for definition in definitions}
                   | {action["instance"].rpartition("-")[0] for action in plan["actions"]}
                   | {entry["deployment"] for entry in plan["pending"]})
    for name in names:
        lines += [""] + _deployment(name, plan, hosts)
    if plan["notes"]:
        lines += ["", "Notes"] + ["  %s" % note for note in plan["notes"]]
    summary = _summary(plan)
    return lines + ["", summary], _recap(plan, summary)


def _deployment(name, plan, hosts):
    """A heading, the lines of what changes in a table, what is pending."""
    records = {record["instance"]: record for record in plan["instances"]}
    actions = [action for action in plan["actions"] if action["instance"].rpartition("-")[0] == name]
    pending = [entry for entry in plan["pending"] if entry["deployment"] == name]
    kept = [action for action in actions if action["action"] == "keep"]
    shown = [action for action in actions if action["action"] != "keep" or action["reason"] != "nothing changed"]
    heading = "%s: " % name
    if not actions and not pending:
        return [heading + "no instances"]
    heading += ("no change, " if not shown and not pending else "") + (count(len(actions), "instance") if actions else "no instances")
    if shown and len(shown) < len(actions):
        heading += ", %d unchanged" % sum(action["reason"] == "nothing changed" for action in kept)
    rows = [_row(action, records.get(action["instance"]), hosts) for action in shown]
    return [heading] + _table(rows) + [line for entry in pending for line in _pending(entry)]


def _row(action, record, hosts):
    place = "%s -> %s" % (action["from_host"], action["host"]) if action["from_host"] else action["host"]
    cells = [SIGNS[action["action"]], action["action"], action["instance"], place]
    if action["action"] == "stop" or record is None:
        return cells + ["", "", "", action["reason"]]
    gpus = hosts[action["host"]].gpus if action["host"] in hosts else {}
    where = ", ".join("gpu %d" % gpus[uuid].index if uuid in gpus else uuid for uuid in record["gpus"]) or "cpu"
    on_gpu = sum(record["claim"]["gpus"].values())
    memory = ("%s + " % human(on_gpu) if on_gpu else "") + "%s RAM" % human(record["claim"]["ram"])
    return cells + [where, memory, "port %d" % record["port"], action["reason"]]


def _table(rows):
    """Rows with aligned columns; the last cell, the reason, is set apart."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths) if width]
        lines.append("  %s  (%s)" % ("  ".join(cells).rstrip(), row[-1]))
    return lines


def _pending(entry):
    lines = ["  !  %s is pending: %s" % (entry["instance"], entry["reason"])]
    if entry["needed"]:
        lines.append("       needs %s" % describe_needed(entry["needed"]))
    for host in entry["hosts"]:
        own = "%s: " % host["host"]         # what a host says of itself begins with its name
        lines.append("       " + (host["why"] if host["why"].startswith(own) else own + host["why"]))
        if entry["needed"]:
            lines += ["         %s" % text for text in _numbers(host)]
    return lines + ["       -> %s" % sentence for sentence in entry["advice"]]


def _numbers(host):
    """The memory of a host that was seen, one line for RAM and one for each GPU."""
    found = [_sizes("RAM", host["ram"])] if host["ram"] else []
    for gpu in host["gpus"]:
        name = "gpu %d" % gpu["index"]
        found.append("%s: left out, %s" % (name, gpu["problem"]) if gpu["problem"] else _sizes(name, gpu))
    return found


def _sizes(name, sizes):
    return "%s: %s free of %s (%s claimed, %s reserved, %s used by others)" % (
        name, human_free(sizes["free"]), human(sizes["total"]), human(sizes["claimed"]), human(sizes["reserved"]), human(sizes["foreign"]))


def _summary(plan):
    numbers = [sum(action["action"] == name for action in plan["actions"]) for name, _verb in _VERBS]
    parts = ["%d %s" % (number, verb) for number, (_name, verb) in zip(numbers, _VERBS) if number]
    if not plan["changed"]:
        text = "Nothing to change"
    elif not parts:
        text = "No instance changes, but the fleet's files are written again"
    else:
        text = "%s in %s" % (", ".join(parts), count(len(plan["waves"]), "wave"))
    return "%s, %d pending." % (text, len(plan["pending"]))


def _recap(plan, summary):
    """What was done, once the run is over."""
    if not plan["changed"]:
        return ["Fleet %s, generation %d. %s" % (plan["fleet"], plan["generation"], summary)]
    done = {"start": "started", "restart": "restarted", "refresh": "refreshed", "retry": "retried", "move": "moved", "stop": "stopped"}
    changed = [action for action in plan["actions"] if action["action"] in done]
    lines = ["Fleet %s is at generation %d: %s changed, %d pending." % (
        plan["fleet"], plan["generation"], count(len(changed), "instance"), len(plan["pending"]))]
    for action in changed:
        place = "from %s to %s" % (action["from_host"], action["host"]) if action["from_host"] else "on %s" % action["host"]
        lines.append("%s %s %s %s" % (SIGNS[action["action"]], action["instance"], done[action["action"]], place))
    return lines + ["! %s is pending: %s" % (entry["instance"], entry["reason"]) for entry in plan["pending"]]
