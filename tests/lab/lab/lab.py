"""A lab: some hosts, a controller that reaches them, and what they find mounted."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import archive, vllm_wheels, wheels
from .host import Host
from .inventory import write_inventory
from .network import Controller, namespaces, remove_namespace
from .store import LabError, command, home, locked

SUITES = ("bookworm", "bookworm", "bookworm", "trixie")
ROUTERS = ("h1", "h2")
TOOLS = ("systemd-nspawn", "debootstrap", "ssh", "ssh-keygen", "ip", "nsenter", "mount")


def missing():
    """What this machine lacks for a lab, as a sentence; None when it can have one."""
    if os.geteuid():
        return "the lab needs root"
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    return "the lab needs %s: run tests/lab/setup.sh" % ", ".join(absent) if absent else None


def folders():
    """The state folders of all labs of this machine, running or left over."""
    return sorted(path.parent for path in (home() / "labs").glob("*/lab.json"))


def _started(pid):
    """When a process was started, in clock ticks since the machine was; None when there is none. A later one may have its pid."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return int(stat.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None


def remove_leftovers():
    """Removes the labs whose process is gone. Returns their names."""
    return _remove(lambda owner: _started(owner[0]) != owner[1])


def remove_mine():
    """Removes the labs that this process made. Returns their names."""
    return _remove(lambda owner: owner[0] == os.getpid())


def _remove(of_owner):
    removed = []
    with locked("removal"):         # two sessions that begin at the same moment find the same leftovers
        for folder in folders():
            owner = json.loads((folder / "lab.json").read_text())["owner"]
            if owner and of_owner(owner):
                Lab.open(folder.name).remove()
                removed.append(folder.name)
    return removed


class Lab:
    """``hosts``: {name: Host}, named h1, h2, ...; ``controller``: where they are managed from; ``models``: what they see as /srv/models."""

    def __init__(self, name, suites, routers):
        self.name, self.routers = name, list(routers)
        self.folder = home() / "labs" / name
        self.prefix = "mf-%s" % name
        self.models = self.folder / "models"
        self.known_hosts = self.folder / "known_hosts"
        self.sockets = Path(tempfile.gettempdir()) / self.prefix       # of SSH connections: such paths must be short
        self.controller = Controller(self.prefix)
        self.other = Controller(self.prefix + "-other")                # of the far side of a partition
        self.hosts = {}
        for number, suite in enumerate(suites, 1):
            host = "h%d" % number
            self.hosts[host] = Host(self.prefix, host, number, suite, self.folder / "hosts" / host, {}, self.controller)

    @classmethod
    def create(cls, name, suites=SUITES, routers=ROUTERS, owner=None):
        """Boots a lab and waits until every host can be used.

        ``owner``: the pid of the process that it belongs to; without one it stays until it is removed by name.
        """
        lab = cls(name, suites, [router for router in routers if int(router[1:]) <= len(suites)])
        if lab.folder.exists() or lab.prefix in namespaces():
            raise LabError("a lab named %s exists (perhaps of another MODELFLEET_LAB_HOME); take it down first" % name)
        for folder in (lab.models, lab.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        state = {"owner": [owner, _started(owner)] if owner else None, "suites": list(suites), "routers": lab.routers}
        (lab.folder / "lab.json").write_text(json.dumps(state))
        try:
            lab._boot()
        except BaseException:
            lab.remove()
            raise
        return lab

    def _boot(self):
        binds = {"/opt/wheels": wheels.folder(), "/opt/vllm-wheels": vllm_wheels.place(), "/opt/llama.cpp": archive.folder(), "/srv/models": self.models}
        self.controller.create()
        for host in self.hosts.values():
            host.binds = binds
            host.create()
        self.known_hosts.write_text("".join(host.known_host() for host in self.hosts.values()))
        for host in self.hosts.values():
            host.boot()
        self._each(Host.wait_until_up)

    @classmethod
    def open(cls, name):
        """A lab that another process made. Raises LabError when there is none of that name."""
        try:
            state = json.loads((home() / "labs" / name / "lab.json").read_text())
        except OSError:
            raise LabError("there is no lab named %s" % name) from None
        lab = cls(name, state["suites"], state["routers"])
        binds = {"/opt/wheels": wheels.folder(), "/opt/vllm-wheels": vllm_wheels.place(), "/opt/llama.cpp": archive.folder(), "/srv/models": lab.models}
        far = ""
        if lab.other.namespace in namespaces():
            far = command("ip", "-n", lab.other.namespace, "-brief", "link")
        for host in lab.hosts.values():
            host.binds = binds
            if "\n%s@" % host.name in "\n" + far:
                host.controller = lab.other
        return lab

    def _each(self, function):
        with ThreadPoolExecutor(len(self.hosts)) as threads:
            list(threads.map(function, self.hosts.values()))

    def remove(self):
        """Ends everything of this lab and removes its files, whatever state it is in."""
        existing = namespaces()
        self._each(lambda host: host.remove(host.plug.namespace in existing))
        for controller in (self.controller, self.other):
            controller.close()
        for namespace in namespaces():
            if namespace == self.prefix or namespace.startswith(self.prefix + "-"):
                remove_namespace(namespace)
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.folder)

    def write_inventory(self, name="hosts.yml", **what):
        """Writes an inventory into the lab's folder (arguments: inventory.inventory) and returns its path."""
        return write_inventory(self, self.folder / "inventory" / name, **what)

    def partition(self, names):
        """Cuts the named hosts off from the others and from the controller; ``other`` reaches them, and they each other."""
        if self.other.namespace not in namespaces():
            self.other.create()
        for name in names:
            self._move(self.hosts[name], self.other)

    def heal(self):
        """Ends a partition."""
        for host in self.hosts.values():
            self._move(host, self.controller)

    @staticmethod
    def _move(host, controller):
        if host.controller is not controller:
            host.plug.move(host.controller, controller)
            host.controller = controller
