# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in the logs of engines whose cause is the same for every backend: {pattern: regex, cause: what to do}."""

from __future__ import annotations

_CANNOT_OPEN = r": cannot open shared object file"
# Libraries that engines take from the system, and the packages of Debian and Ubuntu, and of Fedora and its relatives, that have them.
_PACKAGES = {
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libnuma.so.1": ("libnuma1", "numactl-libs"),
    "libcurl.so.4": ("libcurl4", "libcurl"),
    "libvulkan.so.1": ("libvulkan1", "vulkan-loader"),
}


def _known_library(name, package, package_of_fedora):
    return {
        "pattern": name.replace(".", r"\.") + _CANNOT_OPEN,
        "cause": "The system library %s is missing on the host: apt install %s (Fedora and its relatives: dnf install %s), or add a folder that has it as "
                 "LD_LIBRARY_PATH under `env` in the definition." % (name, package, package_of_fedora),
    }


# Before a backend's own: an engine that misses a library may go on, and fail later for what the library would have done. NCCL does without its plugin.
LIBRARY_PATTERNS = [_known_library(name, *packages) for name, packages in _PACKAGES.items()] + [
    {
        "pattern": r"(?P<library>lib(?!nccl-net)[\w.+-]+)" + _CANNOT_OPEN,
        "cause": "The shared library {library} is missing: install the package that has it, or add the folder that has it as LD_LIBRARY_PATH under `env` "
                 "in the definition.",
    },
]

# After what a backend knows better, and before its general ones.
COMMON_PATTERNS = [
    {
        "pattern": r"No space left on device|Disk quota exceeded",
        "cause": "A disk of the host is full: free some space (see `df -h`) and run again.",
    },
    {
        "pattern": r"Address already in use",
        "cause": "Another process listens on the engine's port: stop it, or run again, since the next plan takes a free port.",
    },
    {
        "pattern": r"Cannot assign requested address",
        "cause": "The host does not have the address that its engines shall listen on: set modelfleet_address to one that it has.",
    },
    {
        "pattern": r"[Pp]ermission denied",
        "cause": "The service user may not use a file that the engine needs: check the owner and mode of the model's files and of "
                 "every folder above them.",
    },
]
