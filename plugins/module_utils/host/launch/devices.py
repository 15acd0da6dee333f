# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands an engine exactly the GPUs of its record, and hides the others from it. One function a vendor, and a table.

Standard library only and without relative imports: the launcher uses this file on the host as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess

TIMEOUT = 20
"""Seconds for nvidia-smi, which never ends where the driver is sick."""


class Unknown(Exception):
    """No vendor of this name: no other try can help."""


class NotNow(Exception):
    """The GPUs are not there now; the sentence says why. They may come back: at boot the driver can be later than the instance, and a
    card answers again after a reset."""


def environment(vendor, uuids):
    """The variables that an engine gets for its GPUs: {name: value}. Raises Unknown or NotNow, each with a sentence.

    ``vendor``: as in the record's spec, None for the CPU; ``uuids``: in the order of the record.
    """
    if vendor not in VENDORS:
        raise Unknown("there is no way to hand GPUs of vendor %s to an engine" % vendor)
    return dict(_NO_GPU, **VENDORS[vendor](uuids))


def _cpu(_uuids):
    return {}


def _nvidia(uuids):
    """By index, in the order that nvidia-smi counts in: vLLM does not take UUIDs here. Indexes change, so they are asked for at every start."""
    indexes = _nvidia_indexes()
    gone = [uuid for uuid in uuids if uuid not in indexes]
    if gone:
        raise NotNow("the GPU %s does not answer (nvidia-smi lists %s)" % (gone[0], ", ".join(sorted(indexes)) or "none"))
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(indexes[uuid] for uuid in uuids)}


def _nvidia_indexes():
    """{uuid: index} of the cards that answer."""
    program = shutil.which("nvidia-smi", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/lib/wsl/lib"]))
    if not program:
        raise NotNow("nvidia-smi is not found, which tells the indexes of GPUs; install it (Debian: nvidia-smi, Ubuntu: nvidia-utils)")
    try:
        process = subprocess.Popen(
            [program, "--query-gpu=index,uuid", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
        )  # fmt: skip
        said = process.communicate(timeout=TIMEOUT)[0]
    except OSError as error:
        raise NotNow("%s: %s" % (program, error.strerror))
    except subprocess.TimeoutExpired:
        process.kill()
        raise NotNow("nvidia-smi did not end within %d s: look for NVRM in the kernel's log (dmesg), and reboot" % TIMEOUT)
    rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines()]
    found = {row[1]: row[0] for row in rows if len(row) == 2 and row[0].isdigit()}
    if process.returncode and not found:
        raise NotNow("nvidia-smi fails: %s" % (said.strip().splitlines() or ["it says nothing"])[0])
    return found


VENDORS = {None: _cpu, "declared": _cpu, "nvidia": _nvidia}

# An engine on the CPU must not take a GPU, and one of one vendor no GPU of another.
_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
