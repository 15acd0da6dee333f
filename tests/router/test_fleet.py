# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routing table and its counts, as a state machine: whatever happens, nothing is counted twice or for ever."""

from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from modelfleet_router.fleet import Fleet
from modelfleet_router.registry import Registry

LIMITS = SimpleNamespace(probe_failures=3, request_failures=2)


def make_registry(states, urls=(), revision=1):
    """``states``: {ordinal: "active" | "draining"}."""
    urls = dict(urls)
    return Registry.model_validate(
        {
            "version": 1,
            "fleet": "f",
            "generation": 1,
            "revision": revision,
            "models": [{"name": "m", "aliases": ["alias"]}],
            "instances": [
                {
                    "id": f"m-{n}",
                    "model": "m",
                    "url": urls.get(n, f"http://10.0.0.{n}:1"),
                    "state": state,
                    "capacity": 4,
                }
                for n, state in states.items()
            ],
        }
    )


def make_fleet(states):
    fleet = Fleet(lambda: 0.0, LIMITS)
    fleet.apply(make_registry(states), {})
    return fleet


class FleetMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.fleet = Fleet(lambda: self.now, LIMITS)
        self.open = []
        self.states = {}

    @rule(states=st.dictionaries(st.integers(0, 4), st.sampled_from(["active", "draining"])), moved=st.booleans())
    def apply(self, states, moved):
        urls = {n: f"http://10.1.0.{n}:1" for n in states} if moved else {}
        before = {i.id: (i.entry.url, i.outstanding) for i in self.fleet.instances.values()}
        self.fleet.apply(make_registry(states, urls), {})
        self.states = states
        for instance in self.fleet.instances.values():
            url, outstanding = before.get(instance.id, (None, 0))
            assert instance.outstanding == (outstanding if url == instance.entry.url else 0)

    @rule(name=st.sampled_from(["m", "alias", "other"]))
    def ask(self, name):
        lease = self.fleet.lease(name)
        if lease is None:
            assert name == "other" or all(
                i.entry.state == "draining" or i.health.state == "refused" for i in self.fleet.instances.values()
            )
            return
        assert lease.instance.entry.state == "active"
        assert lease.instance.health.state != "refused"
        assert lease.instance is self.fleet.instances[lease.instance.id]
        self.open.append(lease)

    @rule(data=st.data(), twice=st.booleans())
    def end(self, data, twice):
        if self.open:
            lease = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            lease.close()
            if twice:
                lease.close()

    @rule(data=st.data(), sign=st.sampled_from(["refused", "failed", "unanswered", "probe_good", "bytes_seen"]))
    def health(self, data, sign):
        if self.fleet.instances:
            instance = data.draw(st.sampled_from(sorted(self.fleet.instances.values(), key=lambda i: i.id)))
            getattr(instance.health, sign)(self.now)

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def counts_are_the_open_requests(self):
        counts = self.fleet.in_flight()
        assert sum(counts.values()) == len(self.open)
        assert all(count > 0 for count in counts.values())
        assert counts == {name: sum(lease.instance.id == name for lease in self.open) for name in counts}


TestFleetMachine = FleetMachine.TestCase
TestFleetMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_was_tried_is_not_chosen_again():
    fleet = make_fleet({0: "active", 1: "active"})
    first = fleet.lease("m").instance
    second = fleet.lease("m", [first]).instance
    assert first is not second
    assert fleet.lease("m", [first, second]) is None


def test_a_draining_instance_that_becomes_active_again_is_trusted():
    fleet = make_fleet({0: "active"})
    fleet.instances["m-0"].health.refused(0)
    assert fleet.lease("m") is None
    fleet.apply(make_registry({0: "draining"}), {})
    assert fleet.lease("m") is None
    fleet.apply(make_registry({0: "active"}), {})
    assert fleet.lease("m") is not None


def test_an_unhealthy_instance_stays_unhealthy_through_a_registry_that_does_not_touch_it():
    fleet = make_fleet({0: "active", 1: "active"})
    fleet.instances["m-0"].health.refused(0)
    fleet.apply(make_registry({0: "active", 1: "draining"}), {})
    assert fleet.lease("m") is None


def test_an_instance_that_only_answers_slowly_is_the_last_resort():
    fleet = make_fleet({0: "active", 1: "active"})
    for _ in range(3):
        fleet.instances["m-0"].health.probe_unanswered(5, 4)
    assert {fleet.lease("m").instance.id for _ in range(6)} == {"m-1"}
    fleet.instances["m-1"].health.refused(5)
    assert fleet.lease("m").instance.id == "m-0"
