# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renews the lease of a run while a long call works."""

from __future__ import annotations

import threading
import time

from . import lease


class Renewal:
    """A context in which the lease is renewed every third of ``ttl`` seconds. Leaving it renews once more."""

    def __init__(self, files, run, ttl):
        self.files = files
        self.run = run
        self.ttl = ttl
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self):
        self.renew()
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._over.set()
        self._thread.join()
        self.renew()

    def renew(self, left=None):
        """``left``: the fence that this run leaves behind on this host."""
        with self.files.locked():
            renewed = lease.renew(self.files.lease(), self.run, time.time(), self.ttl, left)
            if renewed:
                self.files.write_lease(renewed)

    def _work(self):
        while not self._over.wait(max(1, self.ttl / 3)):
            self.renew()
