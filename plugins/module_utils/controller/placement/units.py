# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them."""

from __future__ import annotations

MIB = 1024 ** 2
GIB = 1024 ** 3


def human(size):
    """Bytes as people read them, rounded up so that a need is never understated: ``512 MiB``, ``5.2 GiB``."""
    if size < GIB:
        return "%d MiB" % -(-size // MIB)
    return "%d.%d GiB" % divmod(-(-size * 10 // GIB), 10)


def human_free(size):
    """The same rounded down, so that what is free is never overstated; less than nothing is nothing."""
    size = max(0, size)
    return "%d MiB" % (size // MIB) if size < GIB else "%d.%d GiB" % divmod(size * 10 // GIB, 10)


def count(number, word):
    """``1 instance``, ``2 instances``."""
    return "%d %s%s" % (number, word, "" if number == 1 else "s")


def listed(words):
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(words)
    return words[0] if len(words) == 1 else "%s and %s" % (", ".join(words[:-1]), words[-1])
