# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of modules that change a fleet, which a run does under its lease."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description: The run that changes the fleet.
    type: str
    required: true
  lease_ttl:
    description: Seconds after its last renewal that the lease of the run ends. The module renews it, again and again while it works.
    type: int
    default: 120
"""

    CREDENTIALS = r"""
options:
  credentials:
    description: The key that the engines of a deployment demand, by deployment.
    type: dict
    default: {}
"""
