# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What definitions must know of backends."""

from __future__ import annotations

from ..backends.table import BACKENDS

BACKEND_NAMES = tuple(sorted(BACKENDS))


def reserved_flags(backend):
    """The flags that modelfleet sets itself for ``backend``; for ``auto`` or an unknown name those of all backends."""
    names = [backend] if isinstance(backend, str) and backend in BACKENDS else BACKEND_NAMES
    return frozenset(flag_of(flag) for name in names for flag in BACKENDS[name].RESERVED_FLAGS)


def flag_of(word):
    """``--ctx_size=4096`` gives ``--ctx-size`` (engines treat _ and - alike), None for a word that is no flag."""
    flag = word.split("=", 1)[0]
    if flag.startswith("--"):
        return "--" + flag[2:].replace("_", "-")
    return flag if len(flag) > 1 and flag.startswith("-") and not flag[1].isdigit() else None
