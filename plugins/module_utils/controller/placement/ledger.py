# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds how much of what: memory and ports of the hosts while a plan is made. Sizes are bytes."""

from __future__ import annotations


class Ledger:
    """Claims on the hosts that answered. Free = total - reserved - used by foreign processes - claims."""

    def __init__(self, hosts):
        self._hosts = hosts
        self._ram = {name: 0 for name in hosts}
        self._gpus = {name: {uuid: 0 for uuid in host.gpus} for name, host in hosts.items()}
        self._ports = {name: set(host.listening) for name, host in hosts.items()}
        # How often each host's entry changed: what was found out about a host holds while this number stays.
        self.changes = {name: 0 for name in hosts}

    def hold(self, host, claim):
        """Books ``claim`` ({ram, gpus: {uuid: bytes}}). GPUs that the host does not have any more are left out."""
        self._add(host, claim, 1)

    def release(self, host, claim):
        """Undoes :meth:`hold`."""
        self._add(host, claim, -1)

    def free_ram(self, host):
        view = self._hosts[host]
        return view.ram_total - view.ram_reserved - view.ram_foreign - self._ram[host]

    def roughly_free_ram(self, host):
        """As free_ram, but with the foreign part in whole quarters of the host: it changes all the time, and a score must not."""
        view = self._hosts[host]
        return self.free_ram(host) + view.ram_foreign - view.ram_foreign_roughly

    def free_gpu(self, host, uuid):
        gpu = self._hosts[host].gpus[uuid]
        return gpu.total - gpu.reserved - gpu.foreign - self._gpus[host][uuid]

    def claimed_ram(self, host):
        return self._ram[host]

    def claimed_gpu(self, host, uuid):
        return self._gpus[host][uuid]

    def block_port(self, host, port):
        """Marks a port as not free on a host that answered."""
        if host in self._ports:
            self._ports[host].add(port)
            self.changes[host] += 1

    def free_port(self, host):
        """The lowest free port of the host's range, or None. Ports do not become free again within a plan."""
        low, high = self._hosts[host].port_range
        return next((port for port in range(low, high + 1) if port not in self._ports[host]), None)

    def _add(self, host, claim, sign):
        if host not in self._ram:
            return
        self.changes[host] += 1
        self._ram[host] += sign * claim["ram"]
        gpus = self._gpus[host]
        for uuid, size in claim["gpus"].items():
            if uuid in gpus:
                gpus[uuid] += sign * size


def exceeding(old, new):
    """What claim ``old`` holds beyond claim ``new`` on the same host: it is free only when the old engine has stopped."""
    return {
        "ram": max(0, old["ram"] - new["ram"]),
        "gpus": {uuid: size - new["gpus"].get(uuid, 0) for uuid, size in sorted(old["gpus"].items())
                 if size > new["gpus"].get(uuid, 0)},
    }
