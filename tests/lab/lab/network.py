"""Networks of network namespaces: controllers with a bridge in them, hosts plugged into one of the bridges. No route leads out."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

from . import client
from .store import command

PREFIX = "10.77.0."
BRIDGE = "br0"


def namespaces():
    """The names of all network namespaces of this machine."""
    return [line.split()[0] for line in command("ip", "netns", "list").splitlines() if line.strip()]


def remove_namespace(name):
    """Kills what runs in a namespace of the lab and removes it."""
    for pid in command("ip", "netns", "pids", name).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass        # it ended by itself
    command("ip", "netns", "delete", name)


class Controller:
    """The place from which hosts are managed and routers are asked: a namespace with the bridge, at 10.77.0.1."""

    def __init__(self, namespace):
        self.namespace = namespace
        self._threads = None

    def create(self):
        command("ip", "netns", "add", self.namespace)
        for words in (
            ("link", "set", "lo", "up"),
            ("link", "add", BRIDGE, "type", "bridge"),
            ("addr", "add", PREFIX + "1/24", "dev", BRIDGE),
            ("link", "set", BRIDGE, "up"),
        ):
            command("ip", "-n", self.namespace, *words)

    def words(self, *words):
        """A command line that runs ``words`` here."""
        return ["ip", "netns", "exec", self.namespace, *map(str, words)]

    def start(self, *words, **options):
        """A Popen of ``words`` in a session of its own."""
        return subprocess.Popen(self.words(*words), start_new_session=True, **options)

    def run(self, *words, **options):
        """Runs ``words`` to the end and returns the CompletedProcess, with text; check=True, timeout=... as in subprocess.run."""
        options = {"text": True, "capture_output": True, **options}
        return subprocess.run(self.words(*words), **options)

    def call(self, function, *arguments, **options):
        """Calls ``function`` in a thread of this process whose sockets are in this namespace."""
        return self.submit(function, *arguments, **options).result()

    def submit(self, function, *arguments, **options):
        """Like :meth:`call`, but returns a Future at once; 32 of them run at a time."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(32, initializer=client.enter_network, initargs=(self.namespace,))
        return self._threads.submit(function, *arguments, **options)

    def http(self, url, body=None, headers=None, timeout=30):
        """(status, text) of an HTTP request from here; ``body`` (sent as JSON) makes it a POST. Raises OSError without an answer."""
        return self.call(client.request, url, body, headers, timeout)

    def close(self):
        """Ends the threads of this process that are inside."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


class Plug:
    """The network cable of a host: a veth whose one end is ``host0`` in the host's namespace, the other a port of a controller's bridge."""

    def __init__(self, namespace, port, number):
        """``number`` gives the address: 1 is 10.77.0.11."""
        self.namespace, self.port, self.address = namespace, port, "%s%d" % (PREFIX, 10 + number)

    def create(self, controller):
        command("ip", "netns", "add", self.namespace)
        cable = ("type", "veth", "peer", "name", "host0", "netns", self.namespace)
        command("ip", "-n", controller.namespace, "link", "add", self.port, *cable)
        command("ip", "-n", controller.namespace, "link", "set", self.port, "master", BRIDGE, "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", self.address + "/24", "dev", "host0"),
            ("link", "set", "host0", "up"),
        ):
            command("ip", "-n", self.namespace, *words)

    def switch(self, controller, up):
        """Pulls the cable out of a controller's bridge, or puts it back."""
        command("ip", "-n", controller.namespace, "link", "set", self.port, "up" if up else "down")

    def move(self, old, new):
        """From one controller's bridge to another's."""
        command("ip", "-n", old.namespace, "link", "set", self.port, "netns", new.namespace)
        command("ip", "-n", new.namespace, "link", "set", self.port, "master", BRIDGE, "up")
