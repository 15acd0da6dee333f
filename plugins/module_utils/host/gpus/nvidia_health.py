# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an NVIDIA card may be used for something new, and why not."""

from __future__ import annotations


def problem(card, ours, xids):
    """What keeps plans away from a card, with what to do, or None. ``card``: a reading; ``ours``: pids of our engines; ``xids``: serious_xids."""
    number = card["index"]
    if card["ill"]:
        return card["ill"]
    if card["recovery"] not in (None, "none"):
        return "the driver asks for a recovery of it (%s): stop what uses it and do that" % card["recovery"]
    if card["memory_repair_failed"]:
        return "its memory is broken (a row could not be remapped): replace the card"
    if card["memory_repair_pending"] and card["ecc_uncorrected"]:
        return "it has uncorrectable memory errors (ECC: %d) and waits for their repair: reset it (nvidia-smi --gpu-reset -i %d) or reboot the host" % (
            card["ecc_uncorrected"], number)
    # A driver that tells which recovery is due knows also when it has been done; the kernel's log does not.
    if card["recovery"] is None and card["bus_id"] in xids:
        return "the kernel's log has Xid %d for it (%s): reboot the host; or reset the card and forget the log (dmesg --clear)" % xids[card["bus_id"]]
    if card["mig"]:
        return "MIG is enabled on it, and modelfleet does not split cards: disable it (nvidia-smi -i %d -mig 0)" % number
    if card["compute_mode"] == "prohibited":
        return "its compute mode is Prohibited: nvidia-smi -i %d -c DEFAULT" % number
    others = sorted(set(card["processes"]) - ours)
    if card["compute_mode"] == "exclusive" and others:
        return "its compute mode is Exclusive, and process %d uses it: stop that, or nvidia-smi -i %d -c DEFAULT" % (others[0], number)
    if not card["total"]:
        return "the driver does not tell how much memory it has, so nothing can be planned on it"
    return None
