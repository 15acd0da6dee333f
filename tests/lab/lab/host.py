"""One host: a Debian root with an overlay of its own, booted by systemd-nspawn in a network namespace of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time

from . import cgroups
from .base import USER, base_root, ssh_key
from .faults import Faults
from .network import Plug
from .store import LabError, command


class Host(Faults):
    """``name`` is its hostname, ``suite`` its Debian release; ``folder`` holds its disk, ``plug`` is its cable to ``controller``."""

    def __init__(self, lab, name, number, suite, folder, binds, controller):
        self.lab, self.name, self.suite, self.folder, self.controller = lab, name, suite, folder, controller
        self.plug = Plug("%s-%s" % (lab, name), name, number)
        self.binds = binds
        self._process = None

    @property
    def address(self):
        return self.plug.address

    @property
    def root(self):
        """Its file system, seen from outside; what is mounted inside (tmpfs, binds) is not seen here."""
        return self.folder / "root"

    def path(self, inside):
        """Where an absolute path of the host lies on this machine."""
        return self.root / str(inside).lstrip("/")

    # --- disk and power

    def create(self):
        """Makes its disk and plugs in its cable. Does not boot it."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        layers = "lowerdir=%s,upperdir=%s,workdir=%s" % (base_root(self.suite), self.folder / "upper", self.folder / "work")
        command("mount", "-t", "overlay", self._device, "-o", layers, self.root)
        self.path("/etc/hostname").write_text(self.name + "\n")
        self.path("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 %s\n" % self.name)
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", self.path("/etc/ssh/ssh_host_ed25519_key"))
        command("chroot", self.root, "install", "-d", "-m", "700", "-o", USER, "-g", USER, "/home/%s/.ssh" % USER)
        keys = self.path("/home/%s/.ssh/authorized_keys" % USER)
        shutil.copy("%s.pub" % ssh_key(), keys)
        keys.chmod(0o644)
        self.plug.create(self.controller)

    @property
    def _device(self):
        return "%s-%s" % (self.lab, self.name)

    def known_host(self):
        """Its line for a known_hosts file."""
        kind, key = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return "%s %s %s\n" % (self.address, kind, key)

    def boot(self):
        """Powers it on; :meth:`wait_until_up` says when it can be used."""
        binds = ["--bind-ro=%s:%s" % (outside, inside) for inside, outside in self.binds.items()]
        with open(self.folder / "console.log", "ab") as console:
            self._process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--directory=%s" % self.root, "--boot", "--register=no", "--keep-unit", "--console=pipe",
                 "--machine=%s" % self._device, "--hostname=%s" % self.name, "--network-namespace-path=/run/netns/%s" % self.plug.namespace,
                 *binds],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                preexec_fn=lambda: cgroups.enter(self._device),
            )  # fmt: skip

    def leader(self):
        """The pid, on this machine, of its init; None when it is powered off."""
        for pid in command("ip", "netns", "pids", self.plug.namespace).split():
            try:
                with open("/proc/%s/status" % pid) as status:
                    numbers = next(line.split()[1:] for line in status if line.startswith("NSpid:"))
            except (OSError, StopIteration):
                continue        # it ended meanwhile
            if len(numbers) == 2 and numbers[1] == "1":
                return int(pid)
        return None

    def wait_until_up(self, seconds=60):
        """Until an SSH login works and its units have started. Raises LabError with its last console lines."""
        end = time.monotonic() + seconds
        while self.ssh("systemctl is-system-running --wait", check=False).stdout.strip() not in ("running", "degraded"):
            if time.monotonic() > end:
                said = (self.folder / "console.log").read_text(errors="replace").splitlines()[-15:]
                raise LabError("host %s did not come up within %d s:\n%s" % (self.name, seconds, "\n".join(said)))
            time.sleep(0.1)

    def halt(self):
        """Ends everything that runs on it, at once."""
        leader = self.leader()
        if leader:
            os.kill(leader, signal.SIGKILL)
        if self._process:
            self._process.wait(30)
            self._process = None
        end = time.monotonic() + 30
        while self._supervised() and time.monotonic() < end:
            time.sleep(0.05)

    def _supervised(self):
        """Whether its systemd-nspawn still runs: a second one refuses the same disk."""
        wanted = b"--directory=%s" % os.fsencode(self.root)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    if wanted in file.read().split(b"\0"):
                        return True
            except OSError:
                continue
        return False

    def remove(self, powered):
        """Halts it if it is powered and removes its disk."""
        if powered:
            self.halt()
        if os.path.ismount(self.root):
            command("umount", "--lazy", self.root)
        shutil.rmtree(self.folder, ignore_errors=True)
        cgroups.remove(self._device)

    # --- commands on it

    def run(self, *words, check=True, timeout=60, **options):
        """Runs ``words`` (or one shell line) on it as root without any network, and returns the CompletedProcess with text."""
        leader = self.leader()
        if not leader:
            raise LabError("host %s is powered off" % self.name)
        if len(words) == 1:
            words = ("/bin/sh", "-c", *words)
        enter = ["nsenter", "--target", str(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        options = {"text": True, "capture_output": True, "stdin": subprocess.DEVNULL, **options}
        done = subprocess.run([*enter, *map(str, words)], timeout=timeout, **options)
        if check and done.returncode:
            raise LabError("%s: %s: exit %d: %s%s" % (self.name, shlex.join(map(str, words)), done.returncode, done.stdout, done.stderr))
        return done

    def ssh(self, line, user=USER, check=True, timeout=60):
        """Runs a shell line over SSH from its controller, as Ansible would, and returns the CompletedProcess with text."""
        known = self.folder.parent.parent / "known_hosts"
        words = ["ssh", "-i", ssh_key(), "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "-o", "LogLevel=ERROR",
                 "-o", "UserKnownHostsFile=%s" % known, "%s@%s" % (user, self.address), line]  # fmt: skip
        return self.controller.run(*words, check=check, timeout=timeout, stdin=subprocess.DEVNULL)
