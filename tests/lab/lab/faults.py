"""What may go wrong with a host."""

from __future__ import annotations

import contextlib
import shlex

LIMIT = """
set -e
mkdir -p {directory} /run/lab-disks/{name}
mount -t tmpfs -o size={size},mode=755 lab-{name} /run/lab-disks/{name}
cp -a {directory}/. /run/lab-disks/{name}/
chown --reference={directory} /run/lab-disks/{name}
chmod --reference={directory} /run/lab-disks/{name}
mount --bind /run/lab-disks/{name} {directory}
"""
LISTEN = "import socket, time; s = socket.create_server((%r, %d)); time.sleep(10 ** 6)"


class Faults:
    """Methods of Host; ``self.controller`` is the one whose bridge holds the host's cable."""

    def kill(self, pid, name="KILL"):
        """Sends a signal to a process; ``pid`` as the host numbers it."""
        self.run("kill", "-%s" % name, pid)

    def power_off(self):
        """As if its power failed: nothing is closed, nothing is said to its peers."""
        self.plug.switch(self.controller, up=False)
        self.halt()

    def power_on(self):
        """Boots it again, with the disk that it had, and waits until it is up."""
        self.plug.switch(self.controller, up=True)
        self.boot()
        self.wait_until_up()

    def cut(self):
        """Pulls its network cable."""
        self.plug.switch(self.controller, up=False)

    def mend(self):
        """Puts its network cable back."""
        self.plug.switch(self.controller, up=True)

    def limit_disk(self, directory, size):
        """Moves a directory onto a disk of ``size`` bytes (or 8m, 1g), until the host is powered off. What it holds is kept."""
        name = directory.strip("/").replace("/", "-")
        self.run(LIMIT.format(directory=shlex.quote(directory), name=shlex.quote(name), size=size))

    def unlimit_disk(self, directory):
        """Takes the small disk away again; what was written onto it is lost."""
        name = directory.strip("/").replace("/", "-")
        self.run("umount --lazy %s /run/lab-disks/%s" % (shlex.quote(directory), shlex.quote(name)))

    @contextlib.contextmanager
    def full_disk(self, directory):
        """While it lasts, not a byte is free on the (limited) disk of ``directory``."""
        ballast = "%s/.lab-ballast" % directory
        self.run("! dd if=/dev/zero of=%s bs=4096 2>/dev/null" % shlex.quote(ballast))
        try:
            yield
        finally:
            self.run("rm", "-f", ballast)

    @contextlib.contextmanager
    def occupied_port(self, port, address="0.0.0.0"):
        """While it lasts, a process of somebody else listens on ``port``; its pid on the host is given."""
        unit = "lab-occupant-%d" % port
        self.run("systemd-run", "--quiet", "--unit", unit, "--property=Type=exec", "python3", "-c", LISTEN % (address, port))
        try:
            listening = "until ss -Hltn 'sport = :%d' | grep -q .; do systemctl is-active -q %s || exit 1; sleep 0.05; done" % (port, unit)
            self.run(listening, timeout=10)
            yield int(self.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout)
        finally:
            self.run("systemctl", "stop", unit)
