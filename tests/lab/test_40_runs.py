"""Runs that are killed, that meet each other, or that find another world than they planned for."""

import json
import time

import pytest

# Where a run is killed: when this task begins, in the order of a wave.
MOMENTS = (
    "Fleet: lease",
    "Fleet: write the intent",
    "Registry: drain",
    "Registry: drain, and wait for the routers",
    "Change the instances of this wave",
    "Judge the wave",
    "Note how far the run came",
    "Registry: done, and wait for the routers",
    "Registry: final, and wait for the routers",
    "Fleet: release",
)
SHORT_LEASE = {"modelfleet_lease_ttl": 3}


def define_pair(site, context):
    site.define("pair", "hello", replicas=2, parameters=["--ctx-size=%d" % context])


@pytest.fixture(scope="module")
def pair(site):
    """The site with a quick deployment of two replicas more."""
    site.define_base()
    define_pair(site, 1024)
    site.deploy()
    yield site
    site.define_base()
    site.deploy()


@pytest.mark.parametrize("number, moment", list(enumerate(MOMENTS)))
def test_the_run_after_a_killed_run_repairs(pair, number, moment):
    context = 1024 + 128 * (number + 1)
    define_pair(pair, context)
    run = pair.start(extra=SHORT_LEASE)
    run.wait_for(r"^TASK \[modelfleet.serving.fleet : %s\]" % moment)
    time.sleep(0.2 * (number % 3))                                  # not always at the very beginning of the task
    run.kill()
    if number > 0:
        assert pair.chat("h1", model="pair", words=3) == "Hello from a", "what serves keeps serving"
    time.sleep(3)                                                   # the lease of the dead run ends
    pair.deploy()
    for instance in ("pair-0", "pair-1"):
        assert str(context) in pair.record(instance)["spec"]["argv"]
        assert pair.live()[instance][2] == "active"
    for router in ("h1", "h2"):
        assert pair.serving(router)["pair-0"] == pair.serving(router)["pair-1"] == "active"


def test_after_all_these_repairs_nothing_is_left_to_do(pair):
    again = pair.run(playbook="playbooks/plan.yml").ok()
    assert "Nothing to change" in again.output, again.tail()


def test_of_two_runs_one_is_told_why_it_must_wait(pair):
    define_pair(pair, 4096)
    first = pair.start()
    first.wait_for(r"Mark what this wave changes|Change the instances")
    second = pair.run()
    assert first.ok().code == 0
    assert second.code != 0
    assert "is changing this fleet; its lease ends in" in second.output
    assert "modelfleet_break_lease=" in second.output
    assert "4096" in pair.record("pair-1")["spec"]["argv"]


def test_a_run_whose_host_was_changed_after_it_planned_is_refused(pair):
    before = pair.live()
    host = pair.lab.hosts[before["pair-0"][0]]
    foreign = "/var/lib/modelfleet/records/other.x-0.json"
    record = dict(pair.record("pair-0"), fleet="other", instance="x-0", deployment="x", port=41900)
    text = json.dumps(record)
    define_pair(pair, 8192)
    run = pair.start()
    run.wait_for(r"TASK \[modelfleet.serving.fleet : Show the plan\]")
    host.run("python3", "-c", "import sys; open(%r, 'w').write(sys.argv[1])" % foreign, text)
    try:
        run.wait()
        assert run.code != 0
        assert "changed this host after this run had planned" in run.output
        assert pair.live()["pair-0"] == before["pair-0"]
    finally:
        host.run("rm", foreign)
    pair.deploy()
    assert "8192" in pair.record("pair-0")["spec"]["argv"]


def test_half_a_fleet_that_another_controller_changed_comes_back(pair):
    define_pair(pair, 1024)
    pair.deploy()
    before = pair.live()
    pair.lab.partition(["h3", "h4"])
    pair.define("embed", "embed", categories=["embedding"], parameters=["--ctx-size=512"])
    # A controller of its own has SSH connections of its own.
    own = "-o ControlMaster=no -o UserKnownHostsFile=%s -o StrictHostKeyChecking=yes -o ConnectTimeout=5" % pair.lab.known_hosts
    inventory = pair.lab.write_inventory("far.yml", extra={"ansible_ssh_common_args": own})
    far = pair.run(controller=pair.lab.other, inventory=inventory, extra={"modelfleet_routers_lost": "continue"})
    near = pair.run()
    pair.lab.heal()
    assert "cannot be reached" in far.output and "cannot be reached" in near.output
    pair.deploy()
    after = pair.live()                                             # raises when an id is there twice
    assert sorted(after) == sorted(before)
    assert "512" in pair.record("embed-0")["spec"]["argv"]
    for router in ("h1", "h2"):
        assert set(pair.serving(router).values()) == {"active"} and sorted(pair.serving(router)) == sorted(before)
    assert "Nothing to change" in pair.run(playbook="playbooks/plan.yml").ok().output
