# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that collects what hosts answered to one task."""

from __future__ import annotations


def answers(hosts, hostvars, name, loop=None):
    """{host: the result that it registered as ``name``, or None}, and the results of a delegated ``loop`` over host names with it."""
    found = {str(host): hostvars[host].get(name) for host in hosts}
    found.update((str(result["item"]), result) for result in (loop or {}).get("results", []))
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"answers": answers}
