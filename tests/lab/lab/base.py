"""The base roots of hosts: Debian as an administrator hands it over, with an ordinary user who may use sudo."""

from __future__ import annotations

import hashlib
import shutil

from .store import built, command, home, locked

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "openssh-server", "iproute2", "procps", "sudo", "curl", "ca-certificates",
    "logrotate", "libgomp1", "libnuma1", "git", "make",
)  # fmt: skip
MIRROR = "http://deb.debian.org/debian"
SUITES = ("bookworm", "trixie")
USER = "admin"

CONFIGURE = """
set -e
useradd --create-home --shell /bin/bash %(user)s
echo '%(user)s ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/%(user)s
chmod 440 /etc/sudoers.d/%(user)s
printf 'PermitRootLogin no\\nPasswordAuthentication no\\nUseDNS no\\n' > /etc/ssh/sshd_config.d/lab.conf
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /var/cache/apt/archives/*.deb
rm -rf /var/lib/apt/lists/*
: > /etc/machine-id
: > /etc/resolv.conf
systemctl mask --quiet console-getty.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer systemd-logind.service
systemctl enable --quiet ssh.service
""" % {"user": USER}


def base_root(suite):
    """The root of ``suite`` (read only: hosts lay an overlay on it). Built the first time, in one to two minutes."""
    version = hashlib.sha256(repr((PACKAGES, MIRROR, CONFIGURE)).encode()).hexdigest()[:8]
    return built("roots/%s-%s" % (suite, version), lambda folder: _build(suite, folder))


def _build(suite, folder):
    try:
        command("debootstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), suite, folder, MIRROR)
        command("chroot", folder, "/bin/sh", "-c", CONFIGURE)
    except Exception:
        log = folder / "debootstrap" / "debootstrap.log"
        if log.exists():
            shutil.copy(log, home() / ("debootstrap-%s.log" % suite))
        raise


def ssh_key():
    """The private key that the lab's hosts know; ``.pub`` lies beside it."""
    key = home() / "id_ed25519"
    with locked("ssh-key"):
        if not key.exists():
            command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key)
    return key
