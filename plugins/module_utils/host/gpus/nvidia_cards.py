# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system itself knows of NVIDIA hardware and its driver, without asking the driver: files only, so it is quick and cannot hang."""

from __future__ import annotations

import ctypes
import os
import re
from collections import namedtuple

LIBRARY = "libnvidia-ml.so.1"
_VENDOR = "0x10de"
_DISPLAY, _BRIDGE = "0x03", "0x0680"        # PCI classes: display controllers; other bridges, which NVSwitches are

# A card on the PCI bus. driver: the kernel driver that holds it, or None.
Card = namedtuple("Card", "bus_id driver")


def cards(root):
    """[Card] by bus id."""
    found = []
    for name, folder in _devices(root, _DISPLAY):
        driver = os.path.join(folder, "driver")
        found.append(Card(bus_id(name), os.path.basename(os.readlink(driver)) if os.path.islink(driver) else None))
    return sorted(found)


def has_nvswitch(root):
    return any(True for _device in _devices(root, _BRIDGE))


def bus_id(text):
    """``0000:65:00.0`` for the forms that are in use: ``00000000:65:00.0``, ``0000:65:00``, ``0000:65:00.0``."""
    match = re.fullmatch(r"([0-9a-f]+):([0-9a-f]{2}):([0-9a-f]{2})(?:\.[0-7])?", text.strip().lower())
    return "%04x:%s:%s.0" % (int(match.group(1), 16), match.group(2), match.group(3)) if match else text.strip().lower()


def uuid_at(bus, root):
    """The UUID that the kernel driver remembers for a card, also for one that does not answer any more, or None."""
    text = _text(os.path.join(root, "proc/driver/nvidia/gpus", bus, "information"))
    match = re.search(r"GPU UUID:\s*(GPU-[0-9a-f-]{36})", text)
    return match.group(1) if match else None


def kernel_module_version(root):
    """The version of the kernel module that runs, or None."""
    return _text(os.path.join(root, "sys/module/nvidia/version")).strip() or None


def is_loaded(root):
    return os.path.exists(os.path.join(root, "proc/driver/nvidia/version")) or os.path.isdir(os.path.join(root, "sys/module/nvidia"))


def is_wsl(root):
    """Windows lends its GPUs through this device; there is no PCI bus and no kernel module to look at."""
    return os.path.exists(os.path.join(root, "dev/dxg"))


def has_device_files(root):
    return os.path.exists(os.path.join(root, "dev/nvidiactl"))


def library_loads():
    """Whether the driver's library is there at all."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


def library_version():
    """The version of the library that this process loaded, from the name of its file, or None."""
    match = re.search(r"libnvidia-ml\.so\.(\d+\.\d+(?:\.\d+)?)", _text("/proc/self/maps"))
    return match.group(1) if match else None


def _devices(root, pci_class):
    top = os.path.join(root, "sys/bus/pci/devices")
    for name in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        folder = os.path.join(top, name)
        if _text(os.path.join(folder, "vendor")).strip() == _VENDOR and _text(os.path.join(folder, "class")).startswith(pci_class):
            yield name, folder


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
