# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the registry on a router host, and waits until every process of the router has applied it."""

from __future__ import annotations

import os
import time

from ..common.canonical import canonical_json
from .router import ask, is_up
from .system.files import Trouble, make_directory, read_json, read_text, write_atomic
from .system.owner import ids_of

INTERVAL = 0.2


def order(document):
    """(generation, revision): what a registry is ordered by."""
    return (document["generation"], document["revision"])


def outdated(known, document):
    """The sentence that refuses a registry older than the one in place, or None."""
    if known and order(known) > order(document):
        return "its registry is already at generation %d, revision %d, above the %d, %d of this run: somebody else changed the fleet; plan again." % (
            order(known) + order(document)
        )
    return None


def write_registry(files, document, credentials, user, validate):
    """Writes keys and registry. ``validate``: (path) -> None or a sentence. Returns whether anything changed; raises Trouble."""
    uid, gid = ids_of(user)
    make_directory(files.directory, 0o750, gid=gid)
    make_directory(files.keys, 0o750, gid=gid)
    changed = False
    for deployment, key in sorted(credentials.items()):
        path = "%s/%s.key" % (files.keys, deployment)
        if read_text(path) != key + "\n":
            write_atomic(path, key + "\n", 0o600, uid, gid)
            changed = True
    if read_json(files.registry) != document:
        text = canonical_json(document) + "\n"
        trial = files.registry + ".check"
        write_atomic(trial, text, 0o640, gid=gid)
        said = validate(trial)
        os.unlink(trial)
        if said:
            raise Trouble("The router refuses the registry of this plan: %s" % said)
        write_atomic(files.registry, text, 0o640, gid=gid)
        changed = True
    return changed


def remove_old_keys(files, deployments):
    """Keys of deployments that are gone."""
    for name in os.listdir(files.keys) if os.path.isdir(files.keys) else []:
        if name.endswith(".key") and name[:-4] not in deployments:
            os.unlink(os.path.join(files.keys, name))


def wait_applied(files, document, drained, apply_timeout, drain_timeout):
    """Waits until every process has applied ``document`` and has nothing of ``drained`` (ids) in flight.

    Returns {applied, idle, seconds, workers, trouble: sentence or None}; where no router runs there is nothing to wait for.
    """
    began = time.monotonic()
    while True:
        status = ask(files.admin_socket, "GET", "/status")
        seconds = time.monotonic() - began
        if status is None and not is_up(files.admin_socket):
            return _waited(True, True, seconds, [], None)
        status = status or {"workers": []}      # it runs and does not answer: what it does is not known
        workers = status["workers"]
        applied = bool(workers) and all(worker["responsive"] and order(worker) >= order(document) for worker in workers)
        busy = {name: sum(worker["in_flight"].get(name, 0) for worker in workers) for name in drained}
        busy = {name: count for name, count in sorted(busy.items()) if count}
        if applied and not busy:
            return _waited(True, True, seconds, workers, None)
        if not applied and status.get("refused") and seconds > 2:
            return _waited(False, not busy, seconds, workers, "the router refuses its registry: %s" % status["refused"])
        if not applied and seconds > apply_timeout:
            late = [str(worker["pid"]) for worker in workers if not worker["responsive"] or order(worker) < order(document)]
            trouble = "router process %s has not applied generation %d, revision %d within %d s." % (
                (", ".join(late) or "(none runs)",) + order(document) + (apply_timeout,)
            )
            return _waited(False, not busy, seconds, workers, trouble)
        if applied and seconds > drain_timeout:
            return _waited(True, False, seconds, workers, None)
        time.sleep(INTERVAL)


def _waited(applied, idle, seconds, workers, trouble):
    return {"applied": applied, "idle": idle, "seconds": round(seconds, 1), "workers": workers, "trouble": trouble}
