# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pure parts: header filters, merged metrics, error shapes, socket shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelfleet_router.errors import ApiError, unknown_model
from modelfleet_router.headers import request_id, to_client, to_engine
from modelfleet_router.metrics import Metrics, lasting, merge, render
from modelfleet_router.sockets import share
from prometheus_client.parser import text_string_to_metric_families


def test_what_reaches_an_engine():
    sent = [("Host", "public"), ("Authorization", "Bearer mine"), ("COOKIE", "a"), ("Connection", "close, X-Hop"), ("x-hop", "1"),
            ("TE", "trailers"), ("Content-Length", "3"), ("Content-Type", "application/json"), ("User-Agent", "u")]  # fmt: skip
    assert to_engine(sent, "key", "id-1") == [
        ("Content-Type", "application/json"), ("User-Agent", "u"), ("Accept-Encoding", "identity"),
        ("X-Request-Id", "id-1"), ("Authorization", "Bearer key"),
    ]  # fmt: skip
    assert ("Authorization", "Bearer key") not in to_engine(sent, None, "id-1")


def test_what_reaches_a_client():
    sent = [
        ("Content-Type", "a/b"),
        ("Set-Cookie", "x"),
        ("Transfer-Encoding", "chunked"),
        ("Server", "s"),
        ("Keep-Alive", "5"),
    ]
    assert to_client(sent, "m-0", "id-1") == [
        ("Content-Type", "a/b"),
        ("x-modelfleet-instance", "m-0"),
        ("x-request-id", "id-1"),
    ]


@pytest.mark.parametrize(
    "given_id,kept",
    [("a-1.b:c_D", True), ("", False), ("a b", False), ("a\nb", False), ("x" * 129, False), ("é", False)],
)
def test_request_ids(given_id, kept):
    assert (request_id(given_id) == given_id) is kept
    assert request_id(None) != request_id(None)


OBSERVATIONS = st.lists(st.tuples(st.sampled_from(["a", 'b"\n\\']), st.floats(0, 1000)), max_size=30)


@given(st.lists(OBSERVATIONS, max_size=4))
def test_processes_add_up_and_the_text_can_be_read(processes):
    snapshots = []
    for observations in processes:
        metrics = Metrics()
        for model, seconds in observations:
            metrics.count("requests_total", model, "i", "200")
            metrics.observe("request_duration_seconds", seconds, model)
        snapshots.append(metrics.snapshot())
    samples = {
        (s.name, s.labels.get("model"), s.labels.get("le")): s.value
        for family in text_string_to_metric_families(render(merge(snapshots)))
        for s in family.samples
    }
    everything = [o for observations in processes for o in observations]
    for model in {m for m, _ in everything}:
        mine = [seconds for m, seconds in everything if m == model]
        assert samples["modelfleet_router_requests_total", model, None] == len(mine)
        assert samples["modelfleet_router_request_duration_seconds_count", model, None] == len(mine)
        assert samples["modelfleet_router_request_duration_seconds_sum", model, None] == pytest.approx(sum(mine))
        for edge in ("0.05", "1", "60", "+Inf"):
            assert samples["modelfleet_router_request_duration_seconds_bucket", model, edge] == sum(
                s <= float(edge) for s in mine
            )


def test_gauges_of_dead_processes_are_forgotten_and_healthy_means_for_all():
    one = [["instance_healthy", ["m", "m-0"], 1], ["in_flight", ["m-0"], 2], ["retries_total", ["m", "reset"], 1]]
    two = [["instance_healthy", ["m", "m-0"], 0], ["in_flight", ["m-0"], 3]]
    assert merge([one, two]) == [
        ["instance_healthy", ["m", "m-0"], 0], ["in_flight", ["m-0"], 5], ["retries_total", ["m", "reset"], 1]
    ]  # fmt: skip
    assert lasting(one) == [["retries_total", ["m", "reset"], 1]]


def test_an_error_is_a_body_and_an_event():
    error = ApiError(503, "no", "code", retry_after=2)
    assert error.body == b'{"error": {"message": "no", "type": "server_error", "param": null, "code": "code"}}'
    assert error.event == b"data: " + error.body + b"\n\n"
    assert error.headers["Retry-After"] == "2"
    assert str(unknown_model("x", [])) == "The model 'x' does not exist. Known models: none."


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_socket_has_a_worker_and_every_worker_a_socket(sockets, workers):
    shares = [share(list(range(sockets)), slot, workers) for slot in range(workers)]
    assert all(shares)
    assert {sock for part in shares for sock in part} == set(range(sockets))
