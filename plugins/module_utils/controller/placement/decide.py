# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to happen to a replica that exists: nothing, or one piece of work with its reason."""

from __future__ import annotations

_DIGESTED = ("source", "backend", "backend_version", "backend_packages", "backend_executable", "parameters", "env", "secrets", "restart")


class Work:
    """Something to do with a replica. ``kind``: retry, restart, refresh or move; ``record``: the target where it is already known."""

    def __init__(self, replica, kind, reason, record=None):
        self.replica = replica
        self.kind = kind
        self.reason = reason
        self.record = record
        self.replacement = None         # the id that was started instead of it (max_surge)
        self.replaced = False           # whether that has been up for a wave
        self.obstacle = None            # why it could not be done in the last wave that tried


def decide(need, replica, host, rendered, changed_keys, refresh):
    """``(Work or None, note or None)`` for a replica on a host that was seen.

    ``rendered``: its record as rendered now, or None; ``changed_keys``: keys of the definition that differ from the applied one.
    """
    outdated = replica.record["definition_digest"] != need.digest
    down = not replica.serving and not replica.waiting
    changed = "the definition changed%s" % (": %s" % ", ".join(changed_keys) if changed_keys else "")
    misfit = misplaced(need, replica, host)
    if misfit:
        return Work(replica, "move", misfit), None
    why = need.on(host.name)[3]
    if why and (outdated or down):
        return Work(replica, "move", "%s: %s" % (host.name, why)), None
    if why:
        return None, "%s runs on, but could not be started again on %s: %s" % (replica.id, host.name, why)
    sick = sick_gpu(replica, host)
    if sick and (outdated or down):
        return Work(replica, "move", "%s %s" % (host.name, sick)), None
    if sick:
        return None, "%s runs on, but could not be started again where it is: %s %s" % (replica.id, host.name, sick)
    if outdated:
        return Work(replica, "restart", changed), None
    differs = rendered is not None and rendered["rendering_digest"] != replica.record["rendering_digest"]
    if down:
        return _bring_back(replica, host, rendered if differs else replica.record), None
    if not differs:
        return None, None
    if refresh:
        return Work(replica, "refresh", "this version of modelfleet starts it differently", rendered), None
    return None, ("%s: this version of modelfleet would start it differently; -e modelfleet_refresh=true restarts it" % replica.id)


def misplaced(need, replica, host):
    """Why a replica has to leave its host or GPU, or None."""
    if host.given_up:
        return "%s is given up (modelfleet_replace_hosts)" % host.name
    mismatch = need.label_mismatch(host)
    if mismatch:
        return "%s: %s" % (host.name, mismatch)
    gone = [uuid for uuid in replica.record["gpus"] if uuid not in host.gpus]
    if gone:
        return "%s has no GPU %s any more" % (host.name, gone[0])
    pins = need.pinned(host)
    indexes = [host.gpus[uuid].index for uuid in replica.record["gpus"]]
    if pins is not None and (not indexes or any(index not in pins for index in indexes)):
        return "placement.gpus does not name its place on %s" % host.name
    return None


def sick_gpu(replica, host):
    """What is wrong with a GPU of a replica whose GPUs are all there, or None."""
    gpus = [host.gpus[uuid] for uuid in replica.record["gpus"]]
    return next(("GPU %d: %s" % (gpu.index, gpu.problem) for gpu in gpus if gpu.problem), None)


def changed_keys(definition, applied):
    """Keys of ``definition`` that restart an engine and differ from the ``applied`` definition (or None)."""
    if not applied:
        return []
    return [key for key in _DIGESTED if (definition[key] or None) != (applied.get(key) or None)]


def _bring_back(replica, host, record):
    reason = "it is %s" % replica.condition
    if not replica.running and replica.port in host.listening:
        return Work(replica, "restart", "%s, and another process listens on its port %d" % (reason, replica.port))
    return Work(replica, "retry", reason, record)
