# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def parse_size(text):
    """Bytes. ``24GiB``, ``512 MiB``, ``80GB`` and plain numbers of bytes; raises ValueError with a sentence for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text))
    if isinstance(text, bool) or not match or match.group(2).upper() not in _UNITS:
        raise ValueError("%r is no size; write a number with MiB, GiB, MB or GB, as in 24GiB" % (text,))
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])
