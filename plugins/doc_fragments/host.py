# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that say where things are on a host and who runs them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  data_dir:
    description: Where modelfleet keeps everything on a host.
    type: path
    default: /var/lib/modelfleet
"""

    NAME = r"""
options:
  host:
    description: The inventory name of this host.
    type: str
    required: true
"""

    SERVICES = r"""
options:
  service_manager:
    description:
      - What runs the services. V(auto) is systemd where it runs the host and the module is run as root, else supervisord.
    type: str
    choices: [auto, systemd, supervisord]
    default: auto
  run_dir:
    description: Where supervisord and the router have their sockets when systemd does not run them. Empty for C(run) below O(data_dir).
    type: path
    default: ""
"""

    ENGINES = r"""
options:
  log_dir:
    description: Where the logs of engines are.
    type: path
    default: /var/log/modelfleet
  user:
    description: The system user that runs engines where the module is run as root. Else it is the user who runs it.
    type: str
    default: modelfleet
"""
