# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence: a change is refused when somebody else changed this host since the plan was made."""

from __future__ import annotations


def fence_of(store, fleet, host):
    """{generation: of this host's entry in fleet.json, digest: of all records on this host}. ``fleet``: fleet.json or None."""
    return {"generation": generation_of(fleet, host), "digest": store.digest()}


def generation_of(fleet, host):
    """The generation of the host's entry in fleet.json; 0 where it has none."""
    entry = (fleet or {}).get("hosts", {}).get(host)
    return entry["generation"] if entry else 0


def refusal(seen, found, lease, run):
    """None, or the sentence that says why this run may not change the host.

    ``seen``: the fence when the plan was made; ``found``: the fence now; ``lease``: the lease on this host, whose ``left`` says what this
    run itself did since: its intent raised the generation, its changes of records the digest (None as long as it made none).
    """
    if not lease or lease["run"] != run:
        holder = "run %s of %s" % (lease["run"], lease["holder"]) if lease and lease["run"] else "nobody"
        return "this run does not hold the lease of the host any more (%s does); plan again." % holder
    known = [seen, lease["left"] or seen]
    if all(found[part] in [fence[part] for fence in known] for part in ("generation", "digest")):
        return None
    return "somebody else's run changed this host after this run had planned (generation %d, seen %d); plan again." % (
        found["generation"], seen["generation"]
    )
