# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the NVIDIA driver of a host, in sentences that say what to do. Nothing is ever repaired."""

from __future__ import annotations

import os
import re
import stat

from . import nvidia_cards
from .nvidia_access import closed_device
from .nvidia_reading import BLOCKED, HANGS, MISMATCH, NO_DEVICES, NO_LIBRARY, NO_PERMISSION, NO_READER, NOT_LOADED

_GIVEN_AWAY = ("vfio-pci", "pci-stub")
"""Drivers that hold cards for virtual machines."""
_INSTALL = "install it (Debian: nvidia-smi, Ubuntu: nvidia-utils)"


def without_driver(cards):
    """The remark for cards of a host on which NVIDIA's driver was never installed, or None: it is a CPU host."""
    free = [card for card in cards if card.driver not in _GIVEN_AWAY]
    if not free:
        return None
    holders = sorted({card.driver for card in free if card.driver})
    held = " (the driver %s holds them)" % holders[0] if holders else ""
    return "%s on its PCI bus%s, but NVIDIA's driver is not installed, so it counts as a host without GPUs" % (_are(free), held)


def unanswered(trouble, cards, root):
    """The sentence for an Unanswered."""
    said = " (%s)" % trouble.detail.rstrip(".") if trouble.detail else ""
    though = ", though %s on the PCI bus" % _are(cards) if cards else ""
    sentences = {
        MISMATCH: "NVIDIA's driver and its library have different versions (%s): reboot, or load the kernel module again" % _versions(trouble, root),
        NOT_LOADED: "the kernel module of NVIDIA's driver is not loaded%s: run modprobe nvidia, or reboot; after an update of the kernel it may have "
                    "to be built again" % though,
        NO_LIBRARY: "%s is not found%s: install the compute part of NVIDIA's driver (Debian: libnvidia-ml1)" % (nvidia_cards.LIBRARY, though),
        NO_READER: "there is no nvidia-smi to ask NVIDIA's driver with: %s" % _INSTALL,
        NO_PERMISSION: "the user of this run may not ask NVIDIA's driver%s: look at the permissions of /dev/nvidiactl" % said,
        NO_DEVICES: "NVIDIA's driver finds no GPU that it can use%s: look for NVRM in the kernel's log (dmesg)" % though,
        HANGS: "NVIDIA's driver does not answer%s: look for NVRM in the kernel's log (dmesg), and reboot" % said,
        BLOCKED: "the system outside keeps NVIDIA's GPUs from this host%s: allow them there (containers, WSL)" % said,
    }
    return sentences.get(trouble.reason, "NVIDIA's driver fails%s: look for NVRM in the kernel's log (dmesg), and reboot" % said)


def although_it_answers(seen, program, user, root):
    """Sentences for what makes CUDA fail on a host whose driver answers. ``seen``: what a reader told; ``program``: nvidia-smi or None."""
    found = []
    if not program:
        found.append("nvidia-smi is not found, and engines are handed their GPUs with it: %s" % _INSTALL)
    if nvidia_cards.is_loaded(root) and not nvidia_cards.is_wsl(root):
        found += [sentence for sentence in (_uvm(root), closed_device(user, root)) if sentence]
    ready = [card["fabric_ready"] for card in seen["cards"]]
    if False in ready or (nvidia_cards.has_nvswitch(root) and True not in ready and not _runs("nv-fabricmanager", root)):
        found.append("the GPUs of this machine are joined by NVSwitch and wait for the fabric manager, so CUDA fails (error 802): "
                     "systemctl start nvidia-fabricmanager; it must have the driver's version%s" % (
                         ", %s" % seen["driver_version"] if seen["driver_version"] else ""))
    return found


def _uvm(root):
    """CUDA loads the module by itself where nvidia-modprobe is there with the rights of root."""
    if os.path.exists(os.path.join(root, "dev/nvidia-uvm")):
        return None
    for folder in ("usr/bin", "usr/sbin", "bin"):
        try:
            if os.stat(os.path.join(root, folder, "nvidia-modprobe")).st_mode & stat.S_ISUID:
                return None
        except OSError:
            continue
    return "/dev/nvidia-uvm is not there and nothing would make it, so CUDA fails: run nvidia-modprobe -u -c 0 at every boot, or install it with its setuid bit"


def _runs(name, root):
    """Whether a process of this name exists; the kernel keeps 15 characters."""
    folder = os.path.join(root, "proc")
    for pid in os.listdir(folder) if os.path.isdir(folder) else []:
        if pid.isdigit():
            try:
                with open(os.path.join(folder, pid, "comm")) as file:
                    if file.read().strip() == name[:15]:
                        return True
            except OSError:
                continue
    return False


def _versions(trouble, root):
    """nvidia-smi says: NVML library version: 560.35."""
    named = re.search(r"NVML library version: (\d+(?:\.\d+)+)", trouble.detail or "")
    library = nvidia_cards.library_version() or (named and named.group(1))
    return "the kernel module is %s, the library %s" % (nvidia_cards.kernel_module_version(root) or "another one", library or "another one")


def _are(cards):
    return "1 NVIDIA GPU is" if len(cards) == 1 else "%d NVIDIA GPUs are" % len(cards)
