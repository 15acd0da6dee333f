# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service managers, by name, the preferred ones first. Adding one is adding a file and a line."""

from __future__ import annotations

from ..system.files import Trouble
from .supervisord import Supervisord
from .systemd import Systemd

SERVICE_MANAGERS = {"systemd": Systemd, "supervisord": Supervisord}
AUTO = "auto"
CHOICES = [AUTO] + list(SERVICE_MANAGERS)


class Unusable(Trouble):
    """Why no service manager can be used on this host."""


def choose(wanted, run, options):
    """(name, service manager) for ``wanted``, a name or ``auto``, which takes the first that can be used here. Raises Unusable.

    ``run``: (argv) -> (exit code, stdout, stderr); ``options``: {fleet, data_dir, log_dir, run_dir, user} for those that keep their files in our directories.
    """
    obstacles = []
    for name in SERVICE_MANAGERS if wanted == AUTO else [wanted]:
        obstacle = SERVICE_MANAGERS[name].obstacle(options)
        if obstacle is None:
            return name, SERVICE_MANAGERS[name].of_host(run, options)
        obstacles.append(obstacle)
    raise Unusable("; ".join(obstacles))
