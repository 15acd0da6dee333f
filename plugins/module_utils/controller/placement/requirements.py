# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts and routers need before the waves: builds of backends, the router's setup."""

from __future__ import annotations


def host_requirements(waves, needs, hosts, targets):
    """{host: {"backends": [what the role `backend` installs], "deployments": [names]}} of the hosts that the waves change."""
    result = {}
    for wave in waves:
        for name, at in wave["hosts"].items():
            entry = result.setdefault(name, {"builds": {}, "deployments": set()})
            for record in at["present"]:
                entry["deployments"].add(record["deployment"])
                build = targets.build(needs[record["deployment"]], name, record["gpus"])
                if build and build["build"] not in hosts[name].backends.get(build["backend"], []):
                    entry["builds"][(build["backend"], build["build"])] = build
    return {name: {
        "backends": [entry["builds"][key] for key in sorted(entry["builds"])],
        "deployments": sorted(entry["deployments"]),
    } for name, entry in sorted(result.items())}


def routers_to_install(request):
    """Names of the routers that were seen and whose setup is not the wanted one."""
    return sorted(name for name, wanted in request["router_setups"].items()
                  if request["router_reports"].get(name)
                  and (request["router_reports"][name]["router"] or {}).get("setup") != wanted)
