# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's log tells of NVIDIA GPUs since they were last started: Xid errors after which a card is not to be used.

Older drivers report them nowhere else. The numbers: https://docs.nvidia.com/deploy/xid-errors/. Those after which the advice is to restart
the application (13, 31, 43, 45, 94, ...) say nothing about the card.
"""

from __future__ import annotations

import errno
import os
import re

from .nvidia_cards import bus_id

SERIOUS = {
    46: "it stopped processing",
    48: "double bit ECC error",
    62: "its internal micro-controller halted",
    64: "its memory could not be repaired",
    79: "it has fallen off the bus",
    95: "uncontained ECC error",
    110: "security fault",
    119: "its system processor (GSP) does not answer",
    120: "error of its system processor (GSP)",
    140: "unrecovered ECC error",
    143: "it could not be initialised",
}

_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9A-Fa-f:.]+)\): (\d+)")
_DRIVER_STARTS = "NVRM: loading NVIDIA"


def serious_xids(lines):
    """{bus id: (number, what it means)} of the last serious Xid of each card; a driver that is loaded again begins anew."""
    found = {}
    for line in lines:
        if _DRIVER_STARTS in line:
            found = {}
        match = _XID.search(line)
        if match and int(match.group(2)) in SERIOUS:
            found[bus_id(match.group(1))] = int(match.group(2)), SERIOUS[int(match.group(2))]
    return found


def kernel_lines(root):
    """The records of the kernel's log since `dmesg --clear`, none where it may not be read."""
    lines = []
    try:
        descriptor = os.open(os.path.join(root, "dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return lines
    try:
        os.lseek(descriptor, 0, os.SEEK_DATA)
        while True:
            try:
                record = os.read(descriptor, 8192)      # one record each
            except OSError as error:
                if error.errno == errno.EPIPE:          # overwritten meanwhile: go on with the next
                    continue
                break
            if not record:
                break
            lines += record.decode("utf-8", "replace").splitlines()
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return lines
