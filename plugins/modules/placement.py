#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: placement
short_description: Plan what runs where
version_added: "0.1.0"
description:
  - Compares the definitions with what hosts have and run, and returns a plan. What starts, moves, restarts and stops, in which waves, what
    cannot be placed and why, and the registry and fleet.json before and after.
  - Runs on the controller, once. Changes nothing. The same input gives the same plan.
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.fleet.seen
options:
  collection_dir:
    description: Where the collection is, for the digests of what it installs.
    type: path
    required: true
  deployments:
    description: Normalized definitions, as M(modelfleet.serving.definitions) returns them.
    type: list
    elements: dict
    required: true
  models:
    description:
      - What M(modelfleet.serving.model_info) returned, by host of the play.
      - A router that is in O(reports) and not here is outside the play. It is written to, but nothing is placed on it.
    type: dict
    required: true
  key:
    description: The key of the fleet, for keyed digests of secrets.
    type: str
    required: true
  secrets:
    description: The values that definitions name under C(secrets), by name, at least 8 characters each (Ansible hides them in results).
    type: dict
    default: {}
  refresh:
    description: Restart instances that only this version of the collection would start differently.
    type: bool
    default: false
  replace_hosts:
    description: Hosts that are given up. Their instances are placed elsewhere.
    type: list
    elements: str
    default: []
  routers_lost:
    description: What a router that cannot be reached means.
    type: str
    choices: [stop, continue]
    default: stop
  remove_deployments:
    description: Deployments whose instances stop, while nothing else changes.
    type: list
    elements: str
    default: []
  remove_instances:
    description: Instances that stop, while nothing else changes.
    type: list
    elements: str
    default: []
  remove_all:
    description: Stop every instance of the fleet.
    type: bool
    default: false
attributes:
  check_mode:
    description: Changes nothing in any mode; in check mode a plan that is not empty counts as a change.
    support: full
  diff_mode:
    description: Shows the plan as text.
    support: full
seealso:
  - module: modelfleet.serving.definitions
  - module: modelfleet.serving.host_info
  - module: modelfleet.serving.model_info
  - module: modelfleet.serving.instances
"""

EXAMPLES = r"""
- name: Plan
  modelfleet.serving.placement:
    fleet: prod
    collection_dir: "{{ role_path | dirname | dirname }}"
    deployments: "{{ definitions.deployments }}"
    inventory: "{{ groups['gpu_hosts'] }}"
    routers: "{{ groups['routers'] }}"
    reports: "{{ ansible_play_hosts_all | modelfleet.serving.answers(hostvars, 'host_info') }}"
    models: "{{ ansible_play_hosts_all | modelfleet.serving.answers(hostvars, 'model_info') }}"
    key: "{{ modelfleet_key }}"
  register: placement
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
plan:
  description: The plan. docs/architecture.md describes every field.
  type: dict
  returned: success
  contains:
    changed:
      description: Whether there is anything to do.
      type: bool
      sample: true
    generation:
      description: The number of the run that carries it out.
      type: int
      sample: 8
    instances:
      description: The records of all instances at the end.
      type: list
      elements: dict
    actions:
      description: What happens to each instance and why.
      type: list
      elements: dict
      sample: [{action: start, instance: qwen3-0, host: gpu01, from_host: null, reason: 1 replica wanted}]
    pending:
      description: What cannot be placed, with what it needs, what each host has, and what would help.
      type: list
      elements: dict
    waves:
      description: What may change at the same time, in order.
      type: list
      elements: dict
    text:
      description: The plan as people read it.
      type: list
      elements: str
    recap:
      description: What was done, to be said at the end of the run.
      type: list
      elements: str
groups:
  description: The hosts that carry the plan out and the groups of the plays that they belong to. Empty when nothing changes.
  type: list
  elements: dict
  returned: success
  sample: [{host: gpu01, groups: [modelfleet_reachable, modelfleet_changing]}]
routers:
  description: The routers whose registry is written.
  type: list
  elements: str
  returned: success
  sample: [gpu01]
hidden_routers:
  description: Those that answered and are outside the play (C(--limit)).
  type: list
  elements: str
  returned: success
  sample: []
registry_waves:
  description: The waves as M(modelfleet.serving.registry) takes them.
  type: list
  elements: dict
  returned: success
  sample: [{index: 0, drain: [qwen3-0], instances: [qwen3-0]}]
router_setups:
  description: The setup that each router should have, a digest of its build and settings.
  type: dict
  returned: success
  sample: {gpu01: "sha256:..."}
holder:
  description: Who runs this, for the lease.
  type: str
  returned: success
  sample: ops@controller
"""

import datetime
import getpass
import hashlib
import os
import socket
import uuid

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.common.canonical import digest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.table import BACKENDS
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.packaging.router import router_build
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement import request as requests
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import Refused, make_plan


def run_name():
    """A name that no other run has."""
    return "%s-%s" % (datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ"), uuid.uuid4().hex[:8])


def holder():
    """user@host of the controller; containers may have no name for the user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return "%s@%s" % (user, socket.gethostname())


def launcher_digests(collection_dir):
    """{backend: hex digest of the launcher that its builds hold}. Raises OSError."""
    digests = {}
    for name, backend in BACKENDS.items():
        with open(os.path.join(collection_dir, backend.LAUNCHER), "rb") as file:
            digests[name] = hashlib.sha256(file.read()).hexdigest()
    return digests


def router_setups(collection_dir, reports):
    """{router: digest of the build and the settings that it should have}, of those whose settings are known. Raises OSError, ValueError."""
    settings = {name: report["router"]["settings"] for name, report in reports.items()
                if report and report["router"] and report["router"].get("settings")}
    if not settings:
        return {}
    build = router_build(os.path.join(collection_dir, "router"))
    return {name: digest({"build": build, "settings": settings[name]}) for name in settings}


def make_request(params):
    """``(request, visible, hidden)``: the planner's request, the hosts and routers of the play that answered, and the routers outside it.

    Raises OSError, ValueError.
    """
    reports, lost = requests.reports_of(params["reports"])
    hidden = sorted(name for name in params["routers"] if reports.get(name) and name not in params["models"])
    router_reports = {name: reports.get(name) for name in params["routers"]}
    remove = {"deployments": params["remove_deployments"], "instances": params["remove_instances"], "all": params["remove_all"]}
    request = {
        "fleet": params["fleet"],
        "run": run_name(),
        "deployments": params["deployments"],
        "inventory": params["inventory"],
        "routers": params["routers"],
        "hosts": {name: report for name, report in reports.items() if name not in hidden},
        "router_reports": router_reports,
        "lost": lost,
        "models": requests.models_of(params["models"], params["deployments"]),
        "options": {
            "refresh": params["refresh"],
            "replace_hosts": params["replace_hosts"],
            "remove": remove if any(remove.values()) else None,
            "routers_lost": params["routers_lost"],
        },
        "secret_digests": requests.secret_digests(params["deployments"], params["secrets"], params["key"]),
        "launchers": launcher_digests(params["collection_dir"]),
        "router_setups": router_setups(params["collection_dir"], {name: router_reports[name] for name in router_reports
                                                                  if name not in hidden}),
    }
    visible = [name for name, report in request["hosts"].items() if report]
    return request, visible, hidden


def main():
    module = AnsibleModule(
        argument_spec=dict(
            fleet=dict(type="str", required=True),
            collection_dir=dict(type="path", required=True),
            deployments=dict(type="list", elements="dict", required=True),
            inventory=dict(type="list", elements="str", required=True),
            routers=dict(type="list", elements="str", required=True),
            reports=dict(type="dict", required=True),
            models=dict(type="dict", required=True),
            key=dict(type="str", required=True, no_log=True),
            secrets=dict(type="dict", default={}, no_log=True),
            refresh=dict(type="bool", default=False),
            replace_hosts=dict(type="list", elements="str", default=[]),
            routers_lost=dict(type="str", choices=["stop", "continue"], default="stop"),
            remove_deployments=dict(type="list", elements="str", default=[]),
            remove_instances=dict(type="list", elements="str", default=[]),
            remove_all=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    try:
        request, visible, hidden = make_request(module.params)
        plan = make_plan(request)
    except Refused as refused:
        module.fail_json(msg="\n".join(refused.errors), errors=refused.errors)
    except (OSError, ValueError) as error:
        module.fail_json(msg="There is no plan: %s" % error)
    result = dict(
        plan=plan,
        groups=requests.play_groups(plan, visible),
        routers=plan["routers"],
        hidden_routers=hidden,
        registry_waves=requests.registry_waves(plan),
        router_setups=request["router_setups"],
        holder=holder(),
    )
    if module._diff:
        result["diff"] = dict(prepared="\n".join(plan["text"]) + "\n")
    # In check mode the plan is all that happens, so that what differs shows as a change there.
    module.exit_json(changed=module.check_mode and plan["changed"], **result)


if __name__ == "__main__":
    main()
