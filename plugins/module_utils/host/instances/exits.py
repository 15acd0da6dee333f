# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends of engines that leave no line in the log: what the way they ended says."""

from __future__ import annotations

_NO_MEMORY = ("It was killed by signal 9 (SIGKILL), probably by the kernel because the host or its control group ran out of memory: see `dmesg` or "
              "`journalctl -k`. Raise modelfleet_reserved_ram so that plans leave more free, or make the engine smaller by its `parameters`.")
_ILLEGAL = ("It executed an instruction that this CPU does not have (signal 4, SIGILL): set another `backend_version`, or a build for this CPU as "
            "`backend_executable`.")

# Words in last_exit, as the launcher and the service managers note it.
_ENDS = (
    ("oom-kill", _NO_MEMORY),
    ("killed KILL", _NO_MEMORY),
    ("killed ILL", _ILLEGAL),
    ("dumped ILL", _ILLEGAL),
)


def cause_of_end(last_exit):
    """What to do about an engine whose log says nothing, or None. ``last_exit``: as in the launcher's state, or None."""
    return next((cause for end, cause in _ENDS if end in (last_exit or "")), None)
