# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU vendors, by name. Adding one is adding a file and a line."""

from __future__ import annotations

from . import declared

VENDORS = {declared.VENDOR: declared.gpus}


def find_gpus(host, declarations):
    """Every GPU of ``host``, of all vendors. ``declarations``: modelfleet_gpus. Raises ValueError with a sentence for a wrong declaration."""
    return [gpu for vendor in sorted(VENDORS) for gpu in VENDORS[vendor](host, declarations)]
