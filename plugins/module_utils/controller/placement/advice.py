# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person could change so that a pending instance fits: each suggestion is tried before it is made."""

from __future__ import annotations

from .fit import candidates
from .units import listed

SMALLEST_CONTEXT = 1024


def advice(need, world, slot, refusals):
    """Sentences, the smallest change first. ``refusals``: why each host that was seen does not take it."""
    found = []
    by_kind = {}
    for refusal in refusals:
        by_kind.setdefault(refusal.kind, []).append(refusal.host)
    if by_kind.get("memory"):
        found += _smaller(need, world, slot)
    if not need.placement["cpu_offload"] and by_kind.keys() & {"memory", "offload"}:
        hosts = _fits(need.varied(placement={**need.placement, "cpu_offload": True}), world, slot)
        if hosts:
            found.append("placement.cpu_offload: true would let it run on %s." % listed(hosts))
    for kind, key, none in (("labels", "host_labels", {}), ("pins", "gpus", [])):
        if by_kind.get(kind):
            hosts = [host for host in _fits(need.varied(placement={**need.placement, key: none}), world, slot) if host in by_kind[kind]]
            if hosts:
                found.append("Without placement.%s it would fit on %s." % (key, listed(hosts)))
    if by_kind.get("model"):
        found.append("Bring the model to %s, or to another host." % listed(sorted(by_kind["model"])))
    if by_kind.get("port"):
        found.append("Widen modelfleet_port_range of %s." % listed(sorted(by_kind["port"])))
    return found


def _smaller(need, world, slot):
    """Less memory by a quantized cache or a smaller context."""
    found = []
    metadata, backend = need.any_metadata()
    if metadata is None:
        return []
    hosts = _fits(need.varied(parameters=need.parameters + backend.SMALLER_CACHE), world, slot)
    if hosts:
        found.append("The parameters %s would make it fit on %s." % (" ".join(backend.SMALLER_CACHE), listed(hosts)))
    tokens = backend.served_context(need.parameters, metadata)
    largest = _largest_context(need, backend, tokens, world, slot)
    if largest:
        hosts = _fits(need.varied(parameters=need.parameters + [backend.context_parameter(largest)]), world, slot)
        found.append("The parameter %s would make it fit on %s (now %d)." % (backend.context_parameter(largest), listed(hosts), tokens))
    return found


def _largest_context(need, backend, tokens, world, slot):
    """The largest multiple of 1024 tokens below ``tokens`` that fits somewhere, or 0."""
    low, high = 0, (tokens - 1) // SMALLEST_CONTEXT
    while low < high:
        middle = (low + high + 1) // 2
        smaller = need.varied(parameters=need.parameters + [backend.context_parameter(middle * SMALLEST_CONTEXT)])
        if _fits(smaller, world, slot):
            low = middle
        else:
            high = middle - 1
    return low * SMALLEST_CONTEXT


def _fits(need, world, slot):
    return [name for name, host in world.hosts.items()
            if slot.host in (None, name) and candidates(need, host, world.ledger, slot.gpu)[0]]
