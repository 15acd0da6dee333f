"""Engines that cannot start and environments that cannot be made: what a person reads (tests/lab/golden), and that the next run mends it."""

import contextlib
import re

import pytest

from tests.lab.test_50_what_users_read import compare

BACKENDS = "/var/lib/modelfleet/backends"
KILLED = "#!/bin/sh\necho loading\nkill -KILL $$\n"
"""Ends as an engine does when the kernel runs out of memory: without a word."""


@pytest.fixture
def on_h3(base):
    """Deploys what was defined with ``placed``, on h3; the arguments are those of Site.run."""
    inventory = base.lab.write_inventory("failures.yml", host_vars={"h3": {"modelfleet_labels": {"only": "this"}}})
    return lambda **options: base.run(inventory=inventory, **options)


def placed(base, name, **keys):
    base.define(name, "hello", placement={"host_labels": {"only": "this"}}, **keys)


def without_digests(run):
    return re.sub(r"-[0-9a-f]{8}\b", "-DIGESTED", run.output)


def test_engines_that_end_by_themselves(base, on_h3):
    before = base.live()
    base.lab.hosts["h3"].run("printf '%s' > /opt/killed && chmod 755 /opt/killed" % KILLED.replace("\n", "\\n"))
    placed(base, "argument", parameters=["--rope-scaling=zebra"])
    placed(base, "context", parameters=["--cache-type-v=q8_0", "--flash-attn=off"])
    placed(base, "killed", backend_executable="/opt/killed")
    run = on_h3()
    assert run.code != 0 and {name: base.live()[name] for name in before} == before
    compare("engines_that_end", run.output)


def test_environments_that_cannot_be_made(base, on_h3):
    """The extra package makes the build another one than what is already there."""
    before = base.live()
    placed(base, "more", backend_version="1.2.3")
    compare("no_such_version", without_digests(on_h3()))
    placed(base, "more", backend_packages=["idna==3.20"])
    compare("no_route", without_digests(on_h3(extra={"modelfleet_wheel_dir": ""})))
    with small_disk(base.lab.hosts["h3"], free=30) as make_room:
        compare("full_disk_in_environment", without_digests(on_h3()))
        assert base.live() == before, "what serves goes on serving"
        make_room()
        assert on_h3().code == 0, "the environment is made anew"
        assert base.live()["more-0"][2] == "active"
        base.define_base()
        base.deploy()


@contextlib.contextmanager
def small_disk(host, free):
    """While it lasts, the backends of a host are on a disk with ``free`` MiB left; gives a function that makes room there."""
    used = int(host.run("du -sm %s" % BACKENDS).stdout.split()[0])
    host.limit_disk(BACKENDS, "%dm" % (used + free))
    try:
        yield lambda: host.run("mount -o remount,size=2g %s" % BACKENDS)
    finally:
        host.unlimit_disk(BACKENDS)
