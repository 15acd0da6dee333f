# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that the supervisor owns: public listeners, which outlive workers, the admin socket, metrics."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from .config import split_address

BACKLOG = 4096
FIRST_PASSED_FD = 3  # sd_listen_fds(3)


class SocketProblem(Exception):
    """A sentence."""


def public_sockets(address: str, count: int, environ: Mapping[str, str], pid: int) -> list[socket.socket]:
    """Sockets that systemd passed (LISTEN_FDS), else ``count`` SO_REUSEPORT sockets listening on ``address``."""
    if environ.get("LISTEN_PID") == str(pid) and environ.get("LISTEN_FDS", "").isdigit():
        fds = range(FIRST_PASSED_FD, FIRST_PASSED_FD + int(environ["LISTEN_FDS"]))
        return [socket.socket(fileno=fd) for fd in fds]
    sockets: list[socket.socket] = []
    for _number in range(count):
        # All on the port of the first, which matters when the address asks for any port (0).
        port = sockets[0].getsockname()[1] if sockets else None
        sockets.append(listen(address, reuse_port=True, port=port))
    return sockets


def share(sockets: list, slot: int, slots: int) -> list:
    """The sockets on which worker ``slot`` of ``slots`` accepts: every socket has a worker, every worker a socket."""
    if len(sockets) <= slots:
        return [sockets[slot % len(sockets)]]
    return sockets[slot::slots]


def listen(address: str, reuse_port: bool = False, port: int | None = None) -> socket.socket:
    """A listening TCP socket. Raises SocketProblem."""
    host, given = split_address(address)
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, given if port is None else port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise SocketProblem(f"cannot listen on {address}: {error.strerror or error}") from None
    sock.setblocking(False)
    return sock


def listen_unix(path: Path) -> socket.socket:
    """A listening unix socket that only this user can open; it replaces that of a dead router. Raises SocketProblem."""
    _remove_dead(path)
    sock = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        sock.bind(str(path))
        sock.listen(64)
    except OSError as error:
        sock.close()
        raise SocketProblem(f"cannot listen on {path}: {error.strerror or error}") from None
    finally:
        os.umask(mask)
    sock.setblocking(False)
    return sock


def notify(state: str, environ: Mapping[str, str]) -> None:
    """Tell the service manager ``state`` (sd_notify(3)), where there is one."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)
        except OSError:
            pass


def _remove_dead(path):
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SocketProblem(f"cannot listen on {path}: something that is not a socket is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise SocketProblem(f"cannot listen on {path}: {error.strerror or error}") from None
        else:
            raise SocketProblem(f"cannot listen on {path}: another router is serving it")
