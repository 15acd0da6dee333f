# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as the planner sees them."""

from __future__ import annotations


class Gpu:
    """One GPU of a host. Sizes are bytes. ``declared``: it exists in the inventory only, its engines run on the CPU."""

    def __init__(self, report, reserved):
        self.uuid = report["uuid"]
        self.index = report["index"]
        self.vendor = report["vendor"]
        self.name = report["name"]
        self.total = report["memory_total"] or 0        # unknown of a card that does not answer, which has a problem
        self.used = report["memory_used"]
        self.foreign = report["memory_foreign"] or 0
        self.reserved = reserved
        self.problem = report["problem"]

    @property
    def declared(self):
        return self.vendor == "declared"


class Host:
    """A host that answered. ``obstacle``: why nothing new may be placed on it (a part of a sentence), or None."""

    def __init__(self, name, report, in_inventory, given_up):
        config = report["config"]
        self.name = name
        self.address = report["address"]
        self.labels = config["labels"]
        self.data_dir = config["data_dir"]
        self.port_range = tuple(config["port_range"])
        self.listening = frozenset(report["ports"])
        self.ram_total = report["memory"]["ram_total"]
        self.ram_foreign = report["memory"]["ram_foreign"] or 0
        quarter = max(1, self.ram_total // 4)
        self.ram_foreign_roughly = self.ram_foreign // quarter * quarter
        self.ram_reserved = config["reserved_ram"]
        self.gpus = {gpu["uuid"]: Gpu(gpu, config["reserved_gpu"]) for gpu in report["gpus"]}
        self.backends = report["backends"]
        self.in_inventory = in_inventory
        self.given_up = given_up
        self.maintenance = config["maintenance"]
        self.remarks = report["remarks"]
        self.obstacle = self._obstacle(report)

    def _obstacle(self, report):
        if self.given_up:
            return "it is given up (modelfleet_replace_hosts)"
        if not self.in_inventory:
            return "it is not in the group gpu_hosts"
        if self.maintenance:
            return "it is in maintenance (modelfleet_maintenance), so nothing new is placed on it"
        if report["problems"]:
            return "it is not ready: %s" % "; ".join(sorted(report["problems"]))
        if not report["system"]["service_manager"]:
            return "it is not ready: it has no service manager that modelfleet knows"
        return None

    def gpus_by_index(self):
        return sorted(self.gpus.values(), key=lambda gpu: (gpu.index, gpu.uuid))


def read_hosts(request):
    """{name: Host} of all hosts that answered."""
    given_up = set(request["options"]["replace_hosts"])
    inventory = set(request["inventory"])
    return {name: Host(name, report, name in inventory, name in given_up)
            for name, report in sorted(request["hosts"].items()) if report}
