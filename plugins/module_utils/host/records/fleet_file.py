# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fleet.json and lease.json of one fleet on this host."""

from __future__ import annotations

import contextlib
import fcntl

from ...common.canonical import canonical_json
from ...common.fleet_merge import written_over
from ..system.files import make_directory, read_json, write_atomic


class FleetFiles:
    """``fleets/<fleet>/`` below the data directory."""

    def __init__(self, data_dir, fleet):
        self.directory = "%s/fleets/%s" % (data_dir, fleet)

    def fleet(self):
        """fleet.json, or None."""
        return read_json(self.directory + "/fleet.json")

    @contextlib.contextmanager
    def locked(self):
        """Nobody else changes the files meanwhile: two runs may come at the same moment."""
        make_directory(self.directory, 0o750)
        with open(self.directory + "/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def merged(self, document):
        """What fleet.json is once ``document`` is written."""
        known = self.fleet()
        return written_over(known, document) if known else document

    def write_fleet(self, document):
        self._write("fleet.json", document)

    def lease(self):
        """lease.json, or None."""
        return read_json(self.directory + "/lease.json")

    def write_lease(self, lease):
        self._write("lease.json", lease)

    def _write(self, name, value):
        make_directory(self.directory, 0o750)
        write_atomic("%s/%s" % (self.directory, name), canonical_json(value) + "\n", 0o640)
