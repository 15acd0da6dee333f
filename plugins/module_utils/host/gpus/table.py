# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU vendors, by name. Adding one is adding a file and a line."""

from __future__ import annotations

from . import declared, nvidia
from .entry import Found

VENDORS = {declared.VENDOR: declared.find, nvidia.VENDOR: nvidia.find}


def find_gpus(scan):
    """Found: every GPU of the host, of all vendors. Raises ValueError with a sentence for a wrong declaration."""
    found = [VENDORS[vendor](scan) for vendor in sorted(VENDORS)]
    return Found(*[sum((getattr(one, part) for one in found), []) for part in Found._fields])
