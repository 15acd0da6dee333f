# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA GPUs through nvidia-smi, for hosts whose Python has no `pynvml`: its XML for everything, its CSV for what only that has.

XML since driver 470 (nvsmi_device_v11.dtd to v13); elements that a driver does not have, and N/A, are None.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from xml.etree import ElementTree

from .nvidia_cards import bus_id
from .nvidia_reading import FAILED, HANGS, ILL, REASONS, Unanswered, reading

TIMEOUT = 20
"""Seconds. A healthy nvidia-smi takes under 3, also without persistence mode; with a sick driver it may never end."""

_MORE_PATHS = "/usr/lib/wsl/lib"
_MIB = 1024 ** 2
_DOCUMENT = re.compile(r"<nvidia_smi_log.*?</nvidia_smi_log>", re.DOTALL)
# "... for GPU 0000:02:00.0: GPU is lost.", "... for GPU0000:07:00.0: Unknown Error", "... for GPU1: 0000:34:00.0: Unknown Error", "... for GPU1: ..."
_NO_HANDLE = re.compile(
    r"Unable to determine the device handle for GPU\s?(?:(\d{1,3}): )?([0-9A-Fa-f]{4,8}(?::[0-9A-Fa-f]{2}){2}\.[0-9A-Fa-f])?(?:: )?(.*)")
_NOTHING = re.compile(r"\[?(|N/A|Not Supported|Insufficient Permissions|GPU is lost.*|GPU requires reset.*|.*deprecated|.*error)\]?", re.IGNORECASE)


def find_program():
    """The path of nvidia-smi, or None."""
    return shutil.which("nvidia-smi", path=os.pathsep.join([os.environ.get("PATH", os.defpath), _MORE_PATHS]))


def read(program, buses):
    """{driver_version, cuda_version, cards: [reading]}. ``buses``: ids of the cards that the driver holds. Raises Unanswered."""
    code, out, err = _run([program, "-q", "-x"])
    text = out + err
    if "<nvidia_smi_log" not in text and _NO_HANDLE.search(text):
        text += _one_by_one(program, buses, text)       # some drivers end at the first card that does not answer
    if "<nvidia_smi_log" not in text:
        raise Unanswered(REASONS.get(code, FAILED), _said(text))
    seen = parse(text)
    more = parse_csv(_run([program, "--query-gpu=index,uuid,compute_cap", "--format=csv,noheader"])[1])
    for card in seen["cards"]:
        card["index"], card["compute_capability"] = more.get(card["uuid"], (card["index"], None))
    return seen


def _one_by_one(program, buses, text):
    lost = {card["bus_id"] for card in _without_handle(text)}
    return "".join(_run([program, "-q", "-x", "-i", bus])[1] for bus in buses if bus not in lost)


def parse(text):
    """The value of :func:`read` from one XML document or several, with what may stand around them. Indexes count the cards by bus id."""
    tops = [ElementTree.fromstring(document) for document in _DOCUMENT.findall(text)]
    cards = [_card(element) for top in tops for element in top.findall("gpu")]
    told = {card["bus_id"] for card in cards}
    silent = _without_handle(_DOCUMENT.sub("", text))
    cards = sorted(cards + [card for card in silent if card["bus_id"] and card["bus_id"] not in told], key=lambda card: card["bus_id"])
    for card in silent:
        if not card["bus_id"]:
            cards.insert(card["index"], card)
    for index, card in enumerate(cards):
        card["index"] = index
    return {"driver_version": _value(tops[0], "driver_version"), "cuda_version": _value(tops[0], "cuda_version"), "cards": cards}


def parse_csv(text):
    """{uuid: (index, compute capability or None)} from lines ``0, GPU-..., 9.0``. Drivers before 510 refuse: nothing then."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 3 and cells[0].isdigit():
            found[cells[1]] = int(cells[0]), cells[2] if re.fullmatch(r"\d+\.\d+", cells[2]) else None
    return found


def _without_handle(text):
    """The cards that it names in a line of their own since they do not answer."""
    found = []
    for match in _NO_HANDLE.finditer(text):
        index, bus, why = match.groups()
        found.append(reading(int(index or 0), bus_id=bus_id(bus) if bus else None, ill=ILL[15] if "lost" in why else ILL[999]))
    return found


def _card(element):
    total = _mib(element, "fb_memory_usage/total")
    free = _mib(element, "fb_memory_usage/free")
    return reading(
        None,
        uuid=_value(element, "uuid"),
        bus_id=bus_id(element.get("id", "")),
        name=_value(element, "product_name"),
        total=total,
        # <used> leaves out what the driver keeps for itself.
        used=None if total is None or free is None else total - free,
        processes=_processes(element),
        mig=_value(element, "mig_mode/current_mig") == "Enabled",
        compute_mode=(_value(element, "compute_mode") or "").lower().partition("_")[0] or None,      # Exclusive_Process
        ecc_uncorrected=_ecc_uncorrected(element),
        memory_repair_pending=_yes(element, "remapped_rows/remapped_row_pending", "retired_pages/pending_retirement", "retired_pages/pending_blacklist"),
        memory_repair_failed=_yes(element, "remapped_rows/remapped_row_failure"),
        recovery=_recovery(element),
        fabric_ready={"Completed": True, "Not Started": False, "In Progress": False}.get(_value(element, "fabric/state")),
        ill=_ill(element),
    )


def _processes(element):
    """Those with type G only are desktops."""
    found = {}
    for process in element.findall("processes/process_info"):
        if "C" in (_value(process, "type") or "C"):
            found[int(_value(process, "pid"))] = _mib(process, "used_memory")
    return found


def _ecc_uncorrected(element):
    counts = [int(child.text) for child in element.findall("ecc_errors/volatile/*") if "uncorrectable" in child.tag and (child.text or "").strip().isdigit()]
    return sum(counts) if counts else None


def _recovery(element):
    action = _value(element, "gpu_recovery_action")
    if action:
        return action.lower()
    return {"Yes": "reset", "No": "none"}.get(_value(element, "gpu_reset_status/reset_required"))


def _yes(element, *paths):
    """Whether one of these says Yes; None where none of them says anything."""
    values = [_value(element, path) for path in paths]
    return "Yes" in values if any(value in ("Yes", "No") for value in values) else None


def _mib(element, path):
    match = re.fullmatch(r"(\d+) MiB", _value(element, path) or "")
    return int(match.group(1)) * _MIB if match else None


def _ill(element):
    """What it says instead of the values that every card has."""
    said = " ".join(element.findtext(path) or "" for path in ("product_name", "uuid", "fb_memory_usage/total"))
    signs = (("GPU is lost", ILL[15]), ("GPU requires reset", ILL[16]), ("Unknown Error", ILL[999]))
    return next((ill for sign, ill in signs if sign in said), None)


def _value(element, path):
    text = (element.findtext(path) or "").strip()
    return None if _NOTHING.fullmatch(text) else text


def _run(argv):
    """``(code, out, err)``; a program that cannot be killed is left behind."""
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise Unanswered(FAILED, "%s: %s" % (argv[0], error.strerror))
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Unanswered(HANGS, "nvidia-smi did not end within %d s" % TIMEOUT)
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _said(text):
    """What it said instead of an answer, in one line."""
    return ". ".join(line.strip().rstrip(".") for line in text.splitlines() if line.strip())[:300] or None
