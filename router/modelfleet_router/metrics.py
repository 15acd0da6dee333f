# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of a process, their sum over processes, and Prometheus text. Pure.

A snapshot is a JSON-able list of ``[family, [label values], value]``; a histogram's value is its bucket counts (not
cumulated, the last is +Inf) followed by the sum of all observations.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "modelfleet_router_"
# Edges in seconds. Time to first token: those that vLLM uses, so that engine and router can be subtracted in one panel.
TTFT_EDGES = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
    20,
    40,
    80,
    160,
    640,
    2560,
)
DURATION_EDGES = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.3,
    0.5,
    0.8,
    1,
    1.5,
    2,
    2.5,
    5,
    10,
    15,
    20,
    30,
    40,
    50,
    60,
    120,
    240,
    480,
    960,
    1920,
    7680,
)


@dataclass(frozen=True)
class Family:
    """``kind``: counter, histogram, gauge_sum or gauge_min (how processes are put together)."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()


FAMILIES = {
    "requests_total": Family(
        "counter", "Requests that ended, by status (499: the client left).", ("model", "instance", "status")
    ),
    "request_duration_seconds": Family(
        "histogram", "From the request's head to the end of its answer.", ("model",), DURATION_EDGES
    ),
    "time_to_first_token_seconds": Family(
        "histogram", "From the request's head to the first byte of the engine's answer.", ("model",), TTFT_EDGES
    ),
    "retries_total": Family("counter", "Attempts after a failed one, by what failed.", ("model", "reason")),
    "broken_answers_total": Family("counter", "Answers that broke off after their first byte.", ("model", "instance")),
    "access_lines_lost_total": Family("counter", "Access log lines that could not be written in time."),
    "in_flight": Family("gauge_sum", "Requests in flight.", ("instance",)),
    "instance_healthy": Family(
        "gauge_min", "1 when every process sends requests to the instance.", ("model", "instance")
    ),
    "registry_generation": Family("gauge_min", "Generation of the registry that every process has in force."),
    "registry_revision": Family("gauge_min", "Revision of the registry that every process has in force."),
}

Snapshot = list  # of [family, [label values], value]


class Metrics:
    """What one process counts."""

    def __init__(self):
        self._values: dict[tuple[str, tuple[str, ...]], float | list[float]] = {}

    def count(self, family: str, *labels: str, by: float = 1) -> None:
        key = family, labels
        self._values[key] = self._values.get(key, 0) + by

    def observe(self, family: str, seconds: float, *labels: str) -> None:
        key = family, labels
        edges = FAMILIES[family].edges
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = [0] * (len(edges) + 2)
        value[bisect_left(edges, seconds)] += 1
        value[-1] += seconds

    def snapshot(self) -> Snapshot:
        return [[family, list(labels), value] for (family, labels), value in self._values.items()]


def lasting(snapshot: Snapshot) -> Snapshot:
    """What of a snapshot outlives its process: counters and histograms, which must never fall."""
    return [item for item in snapshot if FAMILIES[item[0]].kind in ("counter", "histogram")]


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum (for gauge_min the minimum) over processes."""
    merged: dict[tuple[str, tuple[str, ...]], float | list[float]] = {}
    for snapshot in snapshots:
        for family, labels, value in snapshot:
            key = family, tuple(labels)
            if key not in merged:
                merged[key] = list(value) if isinstance(value, list) else value
            elif isinstance(value, list):
                merged[key] = [a + b for a, b in zip(merged[key], value, strict=True)]
            elif FAMILIES[family].kind == "gauge_min":
                merged[key] = min(merged[key], value)
            else:
                merged[key] += value
    return [[family, list(labels), value] for (family, labels), value in merged.items()]


def render(snapshot: Snapshot) -> str:
    """Prometheus text exposition format 0.0.4."""
    lines = []
    for name, family in FAMILIES.items():
        full = PREFIX + name
        lines.append(f"# HELP {full} {family.help}")
        lines.append(f"# TYPE {full} {family.kind.split('_')[0]}")
        for _name, labels, value in sorted(item for item in snapshot if item[0] == name):
            pairs = [f'{key}="{_escape(text)}"' for key, text in zip(family.labels, labels, strict=True)]
            if family.kind == "histogram":
                lines += _histogram(full, pairs, family.edges, value)
            else:
                lines.append(f"{full}{_braces(pairs)} {value}")
    return "\n".join(lines) + "\n"


def _histogram(full, pairs, edges, value):
    total = 0
    for edge, count in zip((*edges, "+Inf"), value[:-1], strict=True):
        total += count
        bucket = [*pairs, f'le="{edge}"']
        yield f"{full}_bucket{_braces(bucket)} {total}"
    yield f"{full}_sum{_braces(pairs)} {value[-1]}"
    yield f"{full}_count{_braces(pairs)} {total}"


def _braces(pairs):
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
