# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that say which fleet is meant and what was seen of it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  fleet:
    description: The name of the fleet.
    type: str
    required: true
"""

    SEEN = r"""
options:
  inventory:
    description: The hosts of the group C(gpu_hosts), those that O(reports) lacks too.
    type: list
    elements: str
    required: true
  routers:
    description: The hosts of the group C(routers).
    type: list
    elements: str
    required: true
  reports:
    description: What M(modelfleet.serving.host_info) returned, by host. Unreachable hosts and hosts that were not asked count as not seen.
    type: dict
    required: true
"""
