"""Who may change a host: the lease and the fence. Times are given."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records import fence, lease
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.store import Store

NOW, TTL = 1000.0, 120
SEEN = {"generation": 6, "digest": "sha256:before"}


def held(run="mine", expires=NOW + 60, left=None):
    return {"run": run, "holder": "ann@laptop", "expires": expires, "left": left}


@pytest.mark.parametrize(
    "known, breaking, taken",
    [
        (None, "", True),
        (held("mine"), "", True),
        (held("other"), "", False),
        (held("other", NOW), "", True),
        (held(None, 0), "", True),
        (held("other"), "other", True),
        (held("other"), "third", False),
    ],
    ids=["never leased", "renewed", "held", "over", "released", "broken", "another one broken"],
)
def test_taking(known, breaking, taken):
    new, refused = lease.take(known, "mine", "bob@ci", NOW, TTL, breaking)
    assert (refused is None) == taken
    assert (new["run"], new["expires"]) == ("mine", NOW + TTL) if taken else new == known


def test_the_refusal_says_who_holds_it_how_long_and_what_to_do():
    refused = lease.take(held("r7"), "mine", "bob@ci", NOW, TTL)[1]
    for part in ("r7", "ann@laptop", "61 s", "modelfleet_break_lease=r7"):
        assert part in refused


def test_only_the_holder_keeps_what_it_left():
    left = {"generation": 7, "digest": "sha256:mine"}
    assert lease.take(held("mine", left=left), "mine", "", NOW, TTL)[0]["left"] == left
    assert lease.take(held("other", NOW, left), "mine", "", NOW, TTL)[0]["left"] is None


def test_renewing_moves_the_end_and_keeps_the_rest():
    left = {"generation": 7, "digest": "sha256:mine"}
    assert lease.renew(held(left=left), "mine", NOW + 40, TTL) == held(expires=NOW + 40 + TTL, left=left)
    assert lease.renew(held(), "mine", NOW, TTL, left)["left"] == left
    assert lease.renew(held("other"), "mine", NOW, TTL) is None
    assert lease.renew(None, "mine", NOW, TTL) is None


def test_only_the_holder_releases():
    assert not lease.is_live(lease.release(held(), "mine"), NOW)
    assert lease.release(held("other"), "mine") == held("other")


@pytest.mark.parametrize(
    "found, left, allowed",
    [
        (SEEN, None, True),
        ({"generation": 7, "digest": "sha256:before"}, None, False),
        ({"generation": 6, "digest": "sha256:theirs"}, None, False),
        ({"generation": 7, "digest": "sha256:before"}, {"generation": 7, "digest": None}, True),
        ({"generation": 7, "digest": "sha256:theirs"}, {"generation": 7, "digest": None}, False),
        ({"generation": 7, "digest": "sha256:mine"}, {"generation": 7, "digest": "sha256:mine"}, True),
        ({"generation": 8, "digest": "sha256:mine"}, {"generation": 7, "digest": "sha256:mine"}, False),
    ],
    ids=["unchanged", "another intent", "other records", "own intent", "own intent over other records", "own wave", "another run after it"],
)
def test_the_fence(found, left, allowed):
    assert (fence.refusal(SEEN, found, held(left=left), "mine") is None) == allowed


@pytest.mark.parametrize("known, who", [(held("r9"), "run r9 of ann@laptop"), (None, "nobody"), (held(None), "nobody")])
def test_without_the_lease_nothing_is_changed(known, who):
    assert who in fence.refusal(SEEN, SEEN, known, "mine")


def test_writing_fleet_json_does_not_vouch_for_the_records():
    """Somebody may have changed them between the plan and the lease."""
    assert lease.left_after_writing(None, 7) == {"generation": 7, "digest": None}
    assert lease.left_after_writing({"generation": 6, "digest": "sha256:mine"}, 7) == {"generation": 7, "digest": "sha256:mine"}


def test_the_fence_of_a_host_covers_the_records_of_all_fleets(tmp_path, record):
    store = Store(str(tmp_path), "nobody-of-that-name")
    empty = fence.fence_of(store, None, "h1")
    store.write_record(record("a-0"))
    one = fence.fence_of(store, {"hosts": {"h1": {"generation": 4}}}, "h1")
    store.write_record(record("a-0", fleet="other"))
    assert empty["generation"] == 0 and one["generation"] == 4
    assert len({empty["digest"], one["digest"], fence.fence_of(store, None, "h1")["digest"]}) == 3
