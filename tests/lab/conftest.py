"""Fixtures of tests on real hosts.

Without root or tools they skip; with CI=true they fail, so that nobody takes a lab that did not run for one that passed.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab.lab import lab as labs
from tests.lab.models import recite


@pytest.fixture(scope="session")
def lab():
    """Four hosts (h1, h2, h3 Debian 12, h4 Debian 13), h1 and h2 for routers; removed at the end whatever happens."""
    lack = labs.missing()
    if lack:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lack)
    labs.remove_leftovers()
    made = labs.Lab.create("t%d" % os.getpid(), owner=os.getpid())
    atexit.register(labs.remove_mine)
    made.write_inventory()
    yield made
    labs.remove_mine()


@pytest.fixture(scope="session")
def models(lab):
    """{name: (path on hosts, text that is recited)}: hello (fast), embed (fast, embeddings), count (a stream of 20 s or more), endless."""
    texts = {
        "hello": recite.write_model(lab.models / "hello.gguf"),
        "embed": recite.write_model(lab.models / "embed.gguf", embedding=True),
        "count": recite.write_model(lab.models / "count.gguf", recite.counting(recite.LONG), **recite.SLOW),
        "endless": recite.write_model(lab.models / "endless.gguf", loop=True, **recite.SLOW),
    }
    return {name: ("/srv/models/%s.gguf" % name, text) for name, text in texts.items()}


@pytest.fixture(scope="session")
def site(lab, models):
    """The fleet of the main line, deployed once: chat, three slow replicas, and embed. Tests leave it as they found it."""
    from tests.lab.site import Site

    made = Site(lab, models)
    made.define_base()
    made.first = made.run()
    return made


@pytest.fixture
def base(site):
    """The site in its first state, whatever the last test left."""
    for host in site.lab.hosts.values():
        if not host.leader():
            host.power_on()
    site.lab.heal()
    site.define_base()
    site.deploy(extra={"modelfleet_break_lease": _holder(site)})
    return site


def _holder(site):
    """The run that holds a lease somewhere, or an empty text."""
    for host in site.lab.hosts.values():
        said = host.run("cat /var/lib/modelfleet/fleets/lab/lease.json 2>/dev/null", check=False).stdout
        if '"run":"' in said:
            return said.split('"run":"')[1].split('"')[0]
    return ""
