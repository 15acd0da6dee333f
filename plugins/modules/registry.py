#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry
short_description: Write the registry on a router host and wait until its router has applied it
version_added: "0.1.0"
description:
  - Computes the registry of a moment of the plan, writes it atomically after the installed router has checked it, and, with O(wait), waits until
    every process of the router has applied it and, for O(phase=drain), has nothing in flight on what is drained.
  - A registry older than the one in place, and a router that does not apply it, are data in the result (RV(refused)).
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.run
  - modelfleet.serving.run.credentials
  - modelfleet.serving.host
  - modelfleet.serving.host.services
options:
  generation:
    description: The generation of the plan.
    type: int
    required: true
  plan_registry:
    description: The part RV(ignore:plan.registry) of the plan, with the models and the entries before and after.
    type: dict
    required: true
  waves:
    description: What each wave drains and touches.
    type: list
    elements: dict
    required: true
  phase:
    description: The moment. See docs/architecture.md.
    type: str
    choices: [drain, done, final]
    required: true
  wave:
    description: The index of the wave; for O(phase=final) the number of waves that are over.
    type: int
    required: true
  failed:
    description: Ids of instances that did not become healthy. They are left out.
    type: list
    elements: str
    default: []
  router_user:
    description: The system user that runs the router where the module is run as root. Else it is the user who runs it.
    type: str
    default: modelfleet-router
  wait:
    description: Whether to wait for the router.
    type: bool
    default: false
  apply_timeout:
    description: Seconds for all processes of the router to take the registry.
    type: int
    default: 60
  drain_timeout:
    description: Seconds for requests in flight to end. After that the drain counts as done.
    type: int
    default: 300
attributes:
  check_mode:
    description: Says whether the registry would change.
    support: full
  diff_mode:
    description: Shows the change of the registry.
    support: full
"""

EXAMPLES = r"""
- name: Mark what wave 1 changes as draining, and wait until it is idle
  modelfleet.serving.registry:
    fleet: prod
    run: "{{ plan.run }}"
    generation: "{{ plan.generation }}"
    plan_registry: "{{ plan.registry }}"
    waves: "{{ registry_waves }}"
    phase: drain
    wave: 0
    wait: true
"""

RETURN = r"""
refused:
  description: Why the registry is not in force, or null.
  type: str
  returned: always
  sample: null
revision:
  description: The revision that was written.
  type: int
  returned: always
  sample: 3
waited:
  description: What waiting came to.
  type: dict
  returned: with O(wait)
  sample: {applied: true, idle: true, seconds: 1.2, workers: [], trouble: null}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.common.registry_document import registry_document
from ansible_collections.modelfleet.serving.plugins.module_utils.host import registry
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fleet_file import FleetFiles
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.renewal import Renewal
from ansible_collections.modelfleet.serving.plugins.module_utils.host.router import RouterFiles, ask
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.table import CHOICES, choose
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.files import Trouble, read_json


def validator(module, files):
    """(path) -> None or what the installed router says against the registry in it."""

    def validate(path):
        if not os.path.exists(files.command):
            return None
        code, out, err = module.run_command([files.command, "check", path])
        return None if code == 0 else (out + err).strip()

    return validate


def main():
    module = AnsibleModule(
        argument_spec=dict(
            fleet=dict(type="str", required=True),
            run=dict(type="str", required=True),
            generation=dict(type="int", required=True),
            plan_registry=dict(type="dict", required=True),
            waves=dict(type="list", elements="dict", required=True),
            phase=dict(type="str", choices=["drain", "done", "final"], required=True),
            wave=dict(type="int", required=True),
            failed=dict(type="list", elements="str", default=[]),
            credentials=dict(type="dict", default={}, no_log=True),
            data_dir=dict(type="path", default="/var/lib/modelfleet"),
            service_manager=dict(type="str", choices=CHOICES, default="auto"),
            run_dir=dict(type="path", default=""),
            router_user=dict(type="str", default="modelfleet-router"),
            wait=dict(type="bool", default=False),
            apply_timeout=dict(type="int", default=60),
            drain_timeout=dict(type="int", default=300),
            lease_ttl=dict(type="int", default=120),
        ),
        supports_check_mode=True,
    )
    options = module.params
    plan = dict(fleet=options["fleet"], generation=options["generation"], registry=options["plan_registry"], waves=options["waves"])
    document = registry_document(plan, options["wave"], options["phase"], options["failed"])
    drained = options["waves"][options["wave"]]["drain"] if options["phase"] == "drain" else []
    result = dict(changed=False, refused=None, revision=document["revision"])
    try:
        _name, manager = choose(options["service_manager"], module.run_command, options)
        files = RouterFiles(options["data_dir"], options["fleet"], manager.admin_socket(options["fleet"]))
        known = read_json(files.registry)
        refused = registry.outdated(known, document)
        if refused:
            module.exit_json(changed=False, refused=refused, revision=document["revision"])
        if module._diff:
            result["diff"] = dict(before=known or {}, after=document, before_header=files.registry, after_header=files.registry)
        if module.check_mode:
            result["changed"] = known != document
            module.exit_json(**result)
        with Renewal(FleetFiles(options["data_dir"], options["fleet"]), options["run"], options["lease_ttl"]):
            result["changed"] = registry.write_registry(
                files, document, options["credentials"], options["router_user"], validator(module, files)
            )
            if options["phase"] == "final":
                registry.remove_old_keys(files, {model["name"] for model in document["models"]})
            if result["changed"]:
                ask(files.admin_socket, "POST", "/reload")
            if options["wait"]:
                result["waited"] = registry.wait_applied(files, document, drained, options["apply_timeout"], options["drain_timeout"])
                result["refused"] = result["waited"]["trouble"]
    except Trouble as trouble:
        module.fail_json(msg=str(trouble))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
