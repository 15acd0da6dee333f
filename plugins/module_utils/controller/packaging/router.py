# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router as it is installed: its wheel, and the name of the build that a router host should run."""

from __future__ import annotations

import hashlib
import os

from . import wheel

PACKAGE = "modelfleet_router"
REQUIRES_PYTHON = ">=3.10"
SCRIPTS = {"modelfleet-router": "modelfleet_router.cli:main"}


def router_build(router_dir):
    """``<version>-<first 8 hex digits of the digest of sources and locked dependencies>``. Raises OSError, ValueError."""
    sources = wheel.read_sources(router_dir, PACKAGE)
    total = hashlib.sha256(wheel.sources_digest(sources).encode())
    with open(os.path.join(router_dir, "requirements.lock"), "rb") as file:
        total.update(file.read())
    return "%s-%s" % (wheel.read_version(sources, PACKAGE), total.hexdigest()[:8])


def pack_router(router_dir, target_dir):
    """Writes the router's wheel into ``target_dir`` (made if missing) and returns its path."""
    sources = wheel.read_sources(router_dir, PACKAGE)
    os.makedirs(target_dir, exist_ok=True)
    return wheel.write_wheel(target_dir, PACKAGE, sources, wheel.read_version(sources, PACKAGE), REQUIRES_PYTHON, SCRIPTS)
