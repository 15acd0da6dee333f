#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: Show what a fleet is doing now
version_added: "0.1.0"
description:
  - Puts together what hosts reported. Hosts and GPUs with what is claimed on them, deployments, instances and their states, routers, who is
    changing the fleet.
  - Runs on the controller, once. Changes nothing.
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.fleet.seen
  - modelfleet.serving.reads
seealso:
  - module: modelfleet.serving.host_info
  - module: modelfleet.serving.placement
"""

EXAMPLES = r"""
- name: Put it together
  modelfleet.serving.status:
    fleet: prod
    inventory: "{{ groups['gpu_hosts'] }}"
    routers: "{{ groups['routers'] }}"
    reports: "{{ ansible_play_hosts_all | modelfleet.serving.answers(hostvars, 'host_info') }}"
  register: status
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
text:
  description: The state as people read it.
  type: list
  elements: str
  returned: success
  sample: ["Fleet prod, generation 8"]
fleet:
  description: The same as data. Sizes are bytes, times seconds.
  type: dict
  returned: success
  contains:
    hosts:
      description: Hosts with their state, memory and GPUs.
      type: list
      elements: dict
    deployments:
      description: Deployments with the replicas that are wanted, there and serving.
      type: list
      elements: dict
    instances:
      description: Instances with place, port, state, uptime, restarts and claim.
      type: list
      elements: dict
    routers:
      description: Routers with the registry that they have applied.
      type: list
      elements: dict
    leases:
      description: Runs that are changing the fleet now, by host.
      type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.overview import overview
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.overview_text import overview_text
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.request import reports_of


def main():
    module = AnsibleModule(
        argument_spec=dict(
            fleet=dict(type="str", required=True),
            inventory=dict(type="list", elements="str", required=True),
            routers=dict(type="list", elements="str", required=True),
            reports=dict(type="dict", required=True),
        ),
        supports_check_mode=True,
    )
    reports, lost = reports_of(module.params["reports"])
    state = overview({
        "fleet": module.params["fleet"],
        "inventory": module.params["inventory"],
        "routers": module.params["routers"],
        "hosts": reports,
        "router_reports": {name: reports.get(name) for name in module.params["routers"]},
        "lost": lost,
    }, time.time())
    module.exit_json(changed=False, text=overview_text(state), fleet=state)


if __name__ == "__main__":
    main()
