"""fleet.json: copies that are merged, and what the run that holds the lease writes over them."""

import itertools

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.fleet_merge import (
    SECTIONS,
    empty_fleet,
    merge_fleets,
    written_over,
)
from hypothesis import assume, given
from hypothesis import strategies as st

GENERATIONS = st.integers(0, 3)
INSTANCES = st.dictionaries(
    st.sampled_from(["a-0", "a-1", "b-0"]), st.fixed_dictionaries({"generation": GENERATIONS, "port": st.integers(1, 2)}), max_size=3
)
HOSTS = st.dictionaries(
    st.sampled_from(["h1", "h2"]),
    st.fixed_dictionaries({"generation": GENERATIONS, "run": st.sampled_from("xy"), "address": st.sampled_from("pq"), "instances": INSTANCES}),
)
OTHERS = st.dictionaries(
    st.sampled_from(["one", "two"]), st.fixed_dictionaries({"generation": GENERATIONS, "applied": st.sampled_from([None, 1, 2])})
)
FLEETS = st.builds(
    lambda generation, hosts, deployments, overrides, routers: {
        "version": 1, "fleet": "prod", "generation": generation, "hosts": hosts, "deployments": deployments, "overrides": overrides,
        "routers": routers,
    },
    GENERATIONS, HOSTS, OTHERS, OTHERS, OTHERS,
)  # fmt: skip


def fleet(generation=1, **sections):
    return dict(empty_fleet("prod"), generation=generation, **sections)


def entry(generation, run="r", **instances):
    return {"generation": generation, "run": run, "address": "10.0.0.1", "instances": instances}


@given(FLEETS, FLEETS, FLEETS)
def test_neither_order_nor_grouping_of_copies_counts(one, two, three):
    whole = merge_fleets([one, two, three])
    for order in itertools.permutations([one, two, three]):
        assert merge_fleets(order) == whole
    assert merge_fleets([merge_fleets([one, two]), three]) == whole
    assert merge_fleets([one, merge_fleets([two, three])]) == whole
    assert merge_fleets([whole, whole, one]) == whole


@given(FLEETS, FLEETS)
def test_no_entry_is_lost_or_grows_older(one, two):
    merged = merge_fleets([one, two])
    for document in (one, two):
        assert merged["generation"] >= document["generation"]
        for section in SECTIONS:
            for name, known in document[section].items():
                assert merged[section][name]["generation"] >= known["generation"]


@pytest.mark.parametrize(
    "one, two, instances",
    [
        (entry(2, a={"generation": 2}), entry(1, b={"generation": 9}), {"a": {"generation": 2}}),
        (entry(2, a={"generation": 2}), entry(2, b={"generation": 1}), {"a": {"generation": 2}, "b": {"generation": 1}}),
        (entry(2, a={"generation": 2}), entry(2, a={"generation": 1}), {"a": {"generation": 2}}),
        (entry(2, a={"generation": 2}), entry(3), {}),
    ],
    ids=["the newer entry", "equal but different: united", "the newer of one instance", "a newer one without instances"],
)
def test_entries_of_hosts(one, two, instances):
    assert merge_fleets([fleet(hosts={"h1": one}), fleet(hosts={"h1": two})])["hosts"]["h1"]["instances"] == instances


def test_copies_of_two_fleets_are_refused():
    with pytest.raises(ValueError, match="other, prod"):
        merge_fleets([fleet(), empty_fleet("other")])


def test_nothing_cannot_be_merged():
    with pytest.raises(ValueError, match="nothing"):
        merge_fleets([])


def test_the_end_of_a_run_replaces_its_intent():
    """Both have the generation of the run: what the intent held beside the planned is gone in the end."""
    intent = fleet(5, hosts={"h1": entry(5, old={"generation": 4}, new={"generation": 5})},
                   deployments={"a": {"generation": 5, "applying": {"x": 1}, "applied": None}})  # fmt: skip
    final = fleet(5, hosts={"h1": entry(5, new={"generation": 5})}, deployments={"a": {"generation": 5, "applying": None, "applied": {"x": 1}}})
    assert written_over(written_over(fleet(4), intent), final) == final


def test_what_another_run_wrote_with_the_same_generation_is_united():
    known = fleet(5, hosts={"h1": entry(5, run="other", theirs={"generation": 5})})
    written = written_over(known, fleet(5, hosts={"h1": entry(5, run="mine", ours={"generation": 5})}))
    assert sorted(written["hosts"]["h1"]["instances"]) == ["ours", "theirs"]


@given(FLEETS, FLEETS)
def test_writing_twice_changes_nothing_more(known, document):
    for name, entry_written in document["hosts"].items():
        assume(known["hosts"].get(name, entry_written)["run"] == entry_written["run"])
    written = written_over(known, document)
    assert written_over(written, document) == written


@given(FLEETS, FLEETS)
def test_writing_keeps_what_is_newer(known, document):
    written = written_over(known, document)
    for section in SECTIONS:
        for name, old in known[section].items():
            new = document[section].get(name)
            if new is None or old["generation"] > new["generation"]:
                assert written[section][name] == old
