# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the router says about itself: one JSON line an event on stderr. Requests go to the access log instead."""

from __future__ import annotations

import json
import os
import sys
import time


def event(name: str, **fields) -> None:
    """Write ``{"time": seconds, "pid", "event": name, ...fields}``. Never raises: serving goes on without it."""
    line = json.dumps({"time": round(time.time(), 3), "pid": os.getpid(), "event": name, **fields}, default=str)
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
