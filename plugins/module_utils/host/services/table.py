# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service managers, by name. Adding one is adding a file and a line."""

from __future__ import annotations

from .systemd import Systemd

SERVICE_MANAGERS = {"systemd": Systemd}


def service_manager(name, run):
    """The service manager ``name``, or None when there is none on this host."""
    return SERVICE_MANAGERS[name](run) if name else None
