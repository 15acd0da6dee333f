# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in the logs of engines whose cause is the same for every backend: {pattern: regex, cause: what to do}."""

from __future__ import annotations

_LIBRARY = ("A shared library that the engine needs is missing (the log names it): install the package that has it, or set "
            "LD_LIBRARY_PATH under `env` in the definition.")

COMMON_PATTERNS = [
    {"pattern": r"error while loading shared libraries: ", "cause": _LIBRARY},
    {"pattern": r"cannot open shared object file", "cause": _LIBRARY},
    {
        "pattern": r"No space left on device",
        "cause": "A disk of the host is full: free some space (see `df -h`) and run again.",
    },
    {
        "pattern": r"[Pp]ermission denied",
        "cause": "The service user may not use a file that the engine needs: check the owner and mode of the model's files and of "
                 "every folder above them.",
    },
    {
        "pattern": r"Address already in use",
        "cause": "Another process listens on the engine's port: stop it, or run again, since the next plan takes a free port.",
    },
    {
        "pattern": r"Cannot assign requested address",
        "cause": "The host does not have the address that its engines shall listen on: set modelfleet_address to one that it has.",
    },
]
