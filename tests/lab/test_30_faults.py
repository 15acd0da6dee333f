"""What breaks: an engine, a host, the inventory."""

import time


def host_without_router(site):
    """A host that runs a replica of chat and no router, and that replica."""
    return next((host, name) for name, (host, _pid, _state) in sorted(site.live().items()) if name.startswith("chat") and host in ("h3", "h4"))


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "%s did not happen within %d s" % (what, seconds)
        time.sleep(0.3)


def test_a_killed_engine_costs_what_was_in_flight_on_it_and_comes_back_by_itself(base):
    host, pid, _state = base.live()["chat-1"]
    with base.traffic() as tally:
        time.sleep(6)
        in_flight = sum(
            worker["in_flight"].get("chat-1", 0) for router in ("h1", "h2") for worker in base.router_status(router)["workers"]
        )
        base.lab.hosts[host].kill(pid)
        wait_until(lambda: base.live()["chat-1"][1] not in (0, pid), 30, "the restart")
        time.sleep(10)
    assert tally["failed"] <= in_flight + 4, (in_flight, tally["failures"])
    assert tally["instances"]["chat-1"] > 0
    assert base.deploy().changed == 0
    assert "chat-1" in base.serving("h1")


def test_a_host_that_loses_power(base):
    host, lost = host_without_router(base)
    before = base.live()
    base.lab.hosts[host].power_off()
    answers = [base.chat(router, words=3) for router in ("h1", "h2") for _number in range(6)]
    assert all(base.models["count"][1].startswith(answer) for answer in answers)

    said = base.deploy().output                                     # says so, and starts nothing twice
    assert host in said and "modelfleet_replace_hosts=%s" % host in said
    assert {name: entry for name, entry in before.items() if entry[0] != host} == base.live()
    assert lost in base.serving("h1")

    base.deploy(extra={"modelfleet_replace_hosts": host})           # gives the host up
    moved = base.live()
    assert sorted(moved) == sorted(before) and moved[lost][0] != host
    urls = {entry["id"]: entry["url"] for entry in base.registry("h2")["instances"]}
    assert base.lab.hosts[moved[lost][0]].address in urls[lost]

    base.lab.hosts[host].power_on()                                 # the old replica starts again with its host
    base.deploy()
    after = base.live()                                             # raises when an id is there twice
    assert sorted(after) == sorted(before) and after[lost] == moved[lost]
    assert base.deploy().changed == 0


def test_a_rebooted_host_brings_its_instances_back_without_a_run(base):
    host, name = host_without_router(base)
    base.lab.hosts[host].power_off()
    base.lab.hosts[host].power_on()
    wait_until(lambda: base.live()[name][2] == "active", 20, "the start after the reboot")
    wait_until(lambda: base.lab.controller.http(base.record(name)["registry"]["url"] + "/health")[0] == 200, 30, "health")
    assert base.deploy().changed == 0


def test_a_host_removed_from_the_inventory_is_still_known(base):
    host, name = host_without_router(base)
    before = base.live()
    others = [other for other in base.lab.hosts if other != host]
    inventory = base.lab.write_inventory("without.yml", hosts=others)
    run = base.deploy(inventory=inventory)
    assert base.live() == before, "nothing may be started a second time"
    assert host in run.output and name in base.serving("h1")


def test_limit_does_not_start_elsewhere_what_it_hides(base):
    host, _name = host_without_router(base)
    before = base.live()
    base.define("embed", "embed", categories=["embedding"], replicas=2)
    base.deploy("--limit", "h1")
    after = base.live()
    assert {name: after[name] for name in before} == before
    assert after["embed-1"][0] == "h1"
    assert base.serving("h2")["embed-1"] == "active", "routers outside the limit are told too"
