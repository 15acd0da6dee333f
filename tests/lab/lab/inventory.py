"""Inventories of a lab, as a person would write them."""

from __future__ import annotations

import yaml

from .base import USER, ssh_key


def inventory(lab, hosts=None, routers=None, host_vars=None, extra=None):
    """The inventory as data: groups gpu_hosts (``hosts``, all by default) and routers (the lab's by default).

    ``host_vars``: {host: {variable: value}}; ``extra``: {variable: value} of all hosts.
    """
    hosts = list(lab.hosts) if hosts is None else list(hosts)
    routers = lab.routers if routers is None else list(routers)

    def group(names):
        return {"hosts": {name: {"ansible_host": lab.hosts[name].address, **(host_vars or {}).get(name, {})} for name in names}}

    ssh = "-o ControlPath=%s/%%C -o UserKnownHostsFile=%s -o StrictHostKeyChecking=yes -o ConnectTimeout=5"
    return {
        "all": {
            "vars": {
                "ansible_user": USER,
                "ansible_ssh_private_key_file": str(ssh_key()),
                "ansible_ssh_common_args": ssh % (lab.sockets, lab.known_hosts),
                **(extra or {}),
            },
            "children": {"gpu_hosts": group(hosts), "routers": group(routers)},
        }
    }


def write_inventory(lab, path, **what):
    """Writes :func:`inventory` as YAML and returns ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(inventory(lab, **what), sort_keys=False, width=1000))
    return path
