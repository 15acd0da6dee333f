# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router on this host: what is installed, its registry, and what its processes say over the admin socket."""

from __future__ import annotations

import http.client
import json
import os
import socket

from .system.files import Trouble, read_json, read_text
from .system.unix_http import UnixConnection

ADMIN_TIMEOUT = 5
"""Seconds. The router itself gives its workers one second to answer."""


class RouterFiles:
    """``router/<fleet>/`` below the data directory, and the admin socket, which lies where the service manager says."""

    def __init__(self, data_dir, fleet, admin_socket):
        self.directory = "%s/router/%s" % (data_dir, fleet)
        self.registry = self.directory + "/registry.json"
        self.keys = self.directory + "/keys"
        self.command = self.directory + "/current/bin/modelfleet-router"
        self.admin_socket = admin_socket


def ask(path, method, target, timeout=ADMIN_TIMEOUT):
    """The JSON that the admin socket answers, or None when no router answers there."""
    connection = UnixConnection(path, timeout)
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status < 400 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_up(path):
    """Whether a router runs behind the admin socket, even if it is too busy to answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ADMIN_TIMEOUT)
            connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError:
        pass
    return True


def report_router(data_dir, fleet, settings, manager):
    """{version: the installed build or None, setup, settings, admin_socket, registry, status}.

    ``setup``: the digest that the role `router` noted when it had finished, None when its service does not run; ``settings``: as the inventory has
    them now.
    """
    files = RouterFiles(data_dir, fleet, manager.admin_socket(fleet))
    build = os.path.basename(os.readlink(files.directory + "/current")) if os.path.islink(files.directory + "/current") else None
    try:
        registry = read_json(files.registry)
    except Trouble:
        registry = None
    return {
        "version": build,
        "setup": (read_text(files.directory + "/setup") or "").strip() or None if manager.runs_router(fleet) else None,
        "settings": settings,
        "admin_socket": files.admin_socket,
        "registry": registry,
        "status": ask(files.admin_socket, "GET", "/status"),
    }
