# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a host: one JSON file per instance, of every fleet."""

from __future__ import annotations

import os

from ...common.canonical import canonical_json, digest
from ...common.names import file_stem
from ..system.files import Trouble, make_directory, read_json, read_text, remove, write_atomic
from ..system.owner import ids_of

STAGED = ".next"


class Store:
    """Everything modelfleet keeps below the data directory of a host."""

    def __init__(self, data_dir, user="modelfleet"):
        self.data_dir = data_dir
        self.user = user

    def path(self, *parts):
        return os.path.join(self.data_dir, *parts)

    def record_path(self, fleet, instance):
        return self.path("records", file_stem(fleet, instance) + ".json")

    def state_path(self, fleet, instance):
        return self.path("state", file_stem(fleet, instance) + ".json")

    def secrets_path(self, fleet, instance):
        return self.path("secrets", file_stem(fleet, instance) + ".json")

    def credential_path(self, fleet, deployment):
        return self.path("credentials", "%s.%s.key" % (fleet, deployment))

    def records(self):
        """All records, sorted by file name. Raises Trouble for a broken one, and where they cannot be read at all."""
        return [read_json(self.path("records", name)) for name in self._names()]

    def readable_records(self):
        """(records, what is wrong with the others): one broken file must not hide the rest."""
        records, troubles = [], []
        try:
            names = self._names()
        except Trouble as trouble:
            return [], [str(trouble)]
        for name in names:
            try:
                records.append(read_json(self.path("records", name)))
            except Trouble as trouble:
                troubles.append(str(trouble))
        return records, troubles

    def digest(self):
        """Over all records of all fleets: changes when anybody changed what is on this host."""
        return digest({name: read_text(self.path("records", name)) for name in self._names()})

    def record(self, fleet, instance):
        return read_json(self.record_path(fleet, instance))

    def write_record(self, record):
        self.stage_record(record)
        self.commit_record(record["fleet"], record["instance"])

    def stage_record(self, record):
        """Writes the record beside its place: nothing can go wrong any more when it takes effect, and until then the old one tells the truth."""
        make_directory(self.path("records"))
        path = self.record_path(record["fleet"], record["instance"]) + STAGED
        write_atomic(path, canonical_json(record) + "\n", 0o640, gid=ids_of(self.user)[1])

    def commit_record(self, fleet, instance):
        """Puts the staged record in its place."""
        path = self.record_path(fleet, instance)
        os.replace(path + STAGED, path)

    def secrets_differ(self, fleet, instance, secrets):
        return (read_json(self.secrets_path(fleet, instance)) or {}) != secrets

    def write_secrets(self, fleet, instance, secrets):
        """For the eyes of the service user alone; without secrets there is no file."""
        if secrets:
            self._write_private(self.secrets_path(fleet, instance), canonical_json(secrets) + "\n")
        else:
            remove(self.secrets_path(fleet, instance))

    def credential_differs(self, fleet, deployment, key):
        return read_text(self.credential_path(fleet, deployment)) != key + "\n"

    def write_credential(self, fleet, deployment, key):
        self._write_private(self.credential_path(fleet, deployment), key + "\n")

    def remove_instance(self, fleet, instance):
        """Removes everything of an instance but its log."""
        record, run = self.record_path(fleet, instance), self.path("state", file_stem(fleet, instance) + ".run")
        for path in (record, record + STAGED, self.state_path(fleet, instance), run, self.secrets_path(fleet, instance)):
            remove(path)

    def remove_credential(self, fleet, deployment):
        remove(self.credential_path(fleet, deployment))

    def _write_private(self, path, text):
        uid, gid = ids_of(self.user)
        make_directory(os.path.dirname(path), 0o700, uid, gid)
        write_atomic(path, text, 0o600, uid, gid)

    def _names(self):
        try:
            return sorted(name for name in os.listdir(self.path("records")) if name.endswith(".json"))
        except FileNotFoundError:
            return []
        except PermissionError:
            raise Trouble("%s belongs to somebody else and cannot be read: deploy as the user who made it" % self.path("records"))
