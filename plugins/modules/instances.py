#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instances
short_description: Make the instances of this host what a wave of the plan says
version_added: "0.1.0"
description:
  - Stops and removes instances, starts and restarts others, and waits until each is healthy, all in one call per host.
  - An instance that does not become healthy is data in the result (RV(instances)), with the last lines of its log and the likely
    cause. The module fails only when it cannot work at all.
  - Refused without any change when somebody else changed the host since the plan was made, or when the run does not hold the lease any more.
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.run
  - modelfleet.serving.run.credentials
  - modelfleet.serving.host
  - modelfleet.serving.host.name
  - modelfleet.serving.host.engines
  - modelfleet.serving.host.services
options:
  fence:
    description: The fence that M(modelfleet.serving.host_info) reported when the plan was made.
    type: dict
    required: true
  present:
    description: Records of the instances that shall run here, from the plan.
    type: list
    elements: dict
    default: []
  restart:
    description: Ids of instances in O(present) that are restarted even if nothing of them differs.
    type: list
    elements: str
    default: []
  absent:
    description: Ids of instances that shall not be here. Their logs are kept.
    type: list
    elements: str
    default: []
  log_patterns:
    description:
      - What is known of lines in the logs of engines, from the plan. Each name has a list of C(pattern) and C(cause); the spec of a record
        says which name is its own.
    type: dict
    default: {}
  secrets:
    description: Environment variables with secret values, by deployment.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says what would be started, restarted and removed.
    support: full
  diff_mode:
    description: Shows what is started, restarted and removed.
    support: full
seealso:
  - module: modelfleet.serving.placement
  - module: modelfleet.serving.judge
"""

EXAMPLES = r"""
- name: Change the instances of this wave
  modelfleet.serving.instances:
    fleet: prod
    host: "{{ inventory_hostname }}"
    run: "{{ plan.run }}"
    fence: "{{ host_info.host.fence }}"
    present: "{{ wave.hosts[inventory_hostname].present }}"
    absent: "{{ wave.hosts[inventory_hostname].absent }}"
    log_patterns: "{{ plan.log_patterns }}"
    credentials: "{{ modelfleet_key | modelfleet.serving.credentials('prod', ['qwen3']) }}"
"""

RETURN = r"""
instances:
  description: What became of each instance that was started, by id.
  type: dict
  returned: when not refused
  sample:
    qwen3-0: {state: active, healthy: true, pid: 4711, seconds: 3.2, failure: null}
refused:
  description: Why nothing was changed, or null.
  type: str
  returned: always
  sample: null
fence:
  description: The fence that this call left.
  type: dict
  returned: when something was changed
  sample: {generation: 7, digest: "sha256:0f..."}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.host.instances.converge import Converger
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records import fence
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fleet_file import FleetFiles
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.renewal import Renewal
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.store import Store
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.table import CHOICES, choose
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.files import Trouble


def main():
    module = AnsibleModule(
        argument_spec=dict(
            fleet=dict(type="str", required=True),
            host=dict(type="str", required=True),
            run=dict(type="str", required=True),
            fence=dict(type="dict", required=True),
            present=dict(type="list", elements="dict", default=[]),
            restart=dict(type="list", elements="str", default=[]),
            absent=dict(type="list", elements="str", default=[]),
            log_patterns=dict(type="dict", default={}),
            credentials=dict(type="dict", default={}, no_log=True),
            secrets=dict(type="dict", default={}, no_log=True),
            data_dir=dict(type="path", default="/var/lib/modelfleet"),
            log_dir=dict(type="path", default="/var/log/modelfleet"),
            user=dict(type="str", default="modelfleet"),
            service_manager=dict(type="str", choices=CHOICES, default="auto"),
            run_dir=dict(type="path", default=""),
            lease_ttl=dict(type="int", default=120),
        ),
        supports_check_mode=True,
    )
    options = module.params
    store = Store(options["data_dir"], options["user"])
    files = FleetFiles(options["data_dir"], options["fleet"])
    try:
        _name, manager = choose(options["service_manager"], module.run_command, options)
        if not module.check_mode:
            refused = fence.refusal(options["fence"], fence.fence_of(store, files.fleet(), options["host"]), files.lease(), options["run"])
            if refused:
                module.exit_json(changed=False, refused=refused)
        converger = Converger(options, store, manager)
        result = dict(changed=converger.changes, refused=None, instances={})
        if module._diff:
            result["diff"] = dict(prepared="".join(line + "\n" for line in converger.describe()))
        if converger.changes and not module.check_mode:
            with Renewal(files, options["run"], options["lease_ttl"]) as renewal:
                try:
                    result["instances"] = converger.converge()
                finally:
                    result["fence"] = fence.fence_of(store, files.fleet(), options["host"])
                    renewal.renew(result["fence"])
    except Trouble as trouble:
        module.fail_json(msg=str(trouble))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
