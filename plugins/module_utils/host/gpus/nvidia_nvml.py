# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA GPUs through NVML, with the module `pynvml` (PyPI nvidia-ml-py) where the host's Python has it.

NVML's names and numbers: https://docs.nvidia.com/deploy/nvml-api/. Old versions of the module and of the library lack functions; what they do
not know is None.
"""

from __future__ import annotations

import ctypes
import importlib

from .nvidia_cards import bus_id
from .nvidia_reading import FAILED, ILL, NO_LIBRARY, REASONS, Unanswered, Unusable, reading

_UNKNOWN = 999
_COMPUTE_MODES = {0: "default", 1: "exclusive", 2: "prohibited", 3: "exclusive"}
_RECOVERIES = {
    0: "none", 1: "reset", 2: "reboot", 3: "drain P2P", 4: "drain and reset", 5: "recover the IMEX domain", 6: "bus reset", 7: "reboot",
}  # fmt: skip
_FABRIC_READY = {1: False, 2: False, 3: True}       # not started, in progress, completed; 0 is a card without a fabric


def available():
    """The module, or None."""
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def read(nvml):
    """{driver_version, cuda_version, cards: [reading]}. Raises Unanswered, or Unusable where there is no library for the module."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        reason = REASONS.get(error.value, FAILED)
        if reason == NO_LIBRARY:
            raise Unusable(str(error))
        raise Unanswered(reason, str(error))
    try:
        cuda = _ask(nvml, [], "nvmlSystemGetCudaDriverVersion")
        return {
            "driver_version": _text(_ask(nvml, [], "nvmlSystemGetDriverVersion")),
            "cuda_version": "%d.%d" % (cuda // 1000, cuda % 1000 // 10) if cuda else None,
            "cards": [_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount())],
        }
    except nvml.NVMLError as error:
        raise Unanswered(REASONS.get(error.value, FAILED), str(error))
    finally:
        _ask(nvml, [], "nvmlShutdown")


def _card(nvml, index):
    ills = []
    handle = _ask(nvml, ills, "nvmlDeviceGetHandleByIndex", index, needed=True)
    if handle is None:
        return reading(index, ill=ills[0] if ills else "its handle cannot be had")

    def ask(name, *arguments, **options):
        return _ask(nvml, ills, name, handle, *arguments, **options)

    memory = ask("nvmlDeviceGetMemoryInfo", needed=True)
    capability = ask("nvmlDeviceGetCudaComputeCapability")
    mig = ask("nvmlDeviceGetMigMode")
    pci = ask("nvmlDeviceGetPciInfo")
    rows = ask("nvmlDeviceGetRemappedRows")
    known = {
        "uuid": _text(ask("nvmlDeviceGetUUID", needed=True)),
        "bus_id": bus_id(_text(pci.busId)) if pci else None,
        "name": _text(ask("nvmlDeviceGetName", needed=True)),
        "total": memory.total if memory else None,
        # The first version of this call counts what the driver keeps for itself as used; the second sets it apart.
        "used": memory.used if memory else None,
        "processes": _processes(ask),
        "compute_capability": "%d.%d" % tuple(capability) if capability else None,
        "mig": bool(mig and mig[0]),
        "compute_mode": _COMPUTE_MODES.get(ask("nvmlDeviceGetComputeMode")),
        "ecc_uncorrected": ask("nvmlDeviceGetTotalEccErrors", 1, 0),        # uncorrected, volatile
        # Rows are remapped since Ampere, pages were retired before.
        "memory_repair_pending": bool(rows[2]) if rows else _flag(ask("nvmlDeviceGetRetiredPagesPendingStatus")),
        "memory_repair_failed": bool(rows[3]) if rows else None,
        "recovery": _recovery(nvml, ask),
        "fabric_ready": _fabric_ready(nvml, ask),
    }
    return reading(index, ill=ills[0] if ills else None, **known)


def _ask(nvml, ills, name, *arguments, needed=False):
    """The answer, or None. What makes a card ill goes to ``ills``; an unknown error does only where an answer is ``needed``."""
    try:
        return getattr(nvml, name)(*arguments)
    except AttributeError:
        return None
    except nvml.NVMLError as error:
        if error.value in ILL and (needed or error.value != _UNKNOWN):
            ills.append(ILL[error.value])
        return None


def _processes(ask):
    """By the newest function that module and library both have: the third one came with driver 510."""
    for version in ("_v3", "_v2", ""):
        found = ask("nvmlDeviceGetComputeRunningProcesses" + version)
        if found is not None:
            return {process.pid: process.usedGpuMemory for process in found}
    return {}


def _recovery(nvml, ask):
    """Drivers tell it since 555; before, some told whether a reset is due."""
    action = _field(nvml, ask, "NVML_FI_DEV_GET_GPU_RECOVERY_ACTION")
    if action is not None:
        return _RECOVERIES.get(action, "action %d" % action)
    return {0: "none", 1: "reset"}.get(_field(nvml, ask, "NVML_FI_DEV_RESET_STATUS"))


def _field(nvml, ask, name):
    number = getattr(nvml, name, None)
    values = ask("nvmlDeviceGetFieldValues", [number]) if number is not None else None
    return values[0].value.uiVal if values and values[0].nvmlReturn == 0 else None


def _fabric_ready(nvml, ask):
    make = getattr(nvml, "c_nvmlGpuFabricInfo_t", None)
    if make is None:
        return None
    info = make()
    return _FABRIC_READY.get(info.state) if ask("nvmlDeviceGetGpuFabricInfo", ctypes.byref(info)) is not None else None


def _flag(value):
    return None if value is None else bool(value)


def _text(value):
    """Old versions of the module answer with bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
