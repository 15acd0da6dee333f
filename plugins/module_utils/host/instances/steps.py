# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done so that the instances of this host are what a wave says. Pure, but for reading the store."""

from __future__ import annotations

from ..services.states import ACTIVE, STARTING

SILENT = ("generation", "registry", "definition_digest", "rendering_digest", "claim")
"""Parts of a record that the engine does not see: a difference of these alone restarts nothing."""


class Step:
    """What one instance needs. ``start``: it is (re)started; ``write``: its files change."""

    def __init__(self, record, start, write, running):
        self.record = record
        self.start = start
        self.write = write
        self.running = running
        self.stem = (record["fleet"], record["instance"])
        self.id = record["instance"]


def steps(store, manager, states, present, restart, secrets, credentials):
    """[Step] for the records in ``present``.

    ``states``: {id: state} of what is here now; ``restart``: ids to restart in any case; ``secrets``: {deployment: {name: value}};
    ``credentials``: {deployment: key}.
    """
    found = []
    for record in sorted(present, key=lambda record: record["instance"]):
        known = store.record(record["fleet"], record["instance"])
        state = states.get(record["instance"])
        changed = (
            known is None
            or _seen_by_engine(known) != _seen_by_engine(record)
            or store.secrets_differ(record["fleet"], record["instance"], secrets.get(record["deployment"], {}))
            or store.credential_differs(record["fleet"], record["deployment"], credentials[record["deployment"]])
            or manager.settings_differ(record)
        )
        start = changed or record["instance"] in restart or state not in (ACTIVE, STARTING)
        found.append(Step(record, start, changed or known != record, state is not None))
    return found


def _seen_by_engine(record):
    return {key: value for key, value in record.items() if key not in SILENT}
