#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: See what a host has, what runs on it, and what it knows of the fleet
version_added: "0.1.0"
description:
  - One look at a host for a plan or a status. Memory, disks, GPUs, ports, service manager, installed backends, the records of
    all instances of all fleets with their live state, C(fleet.json), the lease, and the router where there is one.
  - NVIDIA GPUs are found through the Python module C(pynvml) where the host has it, else through C(nvidia-smi).
    A host without GPUs is a CPU host.
  - Trouble that can be told is in RV(ignore:host.problems), and nothing new is placed on the host until it is gone. What is wrong
    with a single GPU is in its C(problem), and only that GPU is left out. Nothing is repaired.
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.host
  - modelfleet.serving.host.engines
  - modelfleet.serving.host.services
  - modelfleet.serving.reads
options:
  name:
    description: The inventory name of the host.
    type: str
    required: true
  address:
    description: Where routers reach its engines.
    type: str
    required: true
  labels:
    description: Labels that definitions select.
    type: dict
    default: {}
  gpus:
    description: GPUs that the inventory declares, each with C(memory), a size, and optionally C(name). Those that are found are reported besides.
    type: list
    elements: dict
    default: []
  reserved_ram:
    description: RAM that stays free for the system, a size.
    type: str
    default: 2GiB
  reserved_gpu:
    description: Memory that stays free on each GPU, a size.
    type: str
    default: 512MiB
  port_range:
    description: First and last port for engines.
    type: str
    default: 41000-41999
  maintenance:
    description: Whether nothing new is placed here.
    type: bool
    default: false
  cache_dir:
    description: Where model files are kept.
    type: path
    default: /var/lib/modelfleet/models
  wheel_dir:
    description: A folder of wheels on the host, for hosts without an index.
    type: str
    default: ""
  router:
    description: Whether the host is a router host.
    type: bool
    default: false
  router_settings:
    description: The settings that the router shall have, as the inventory says. Returned as they are.
    type: dict
    default: {}
    suboptions:
      listen:
        description: Address and port of the endpoint.
        type: str
      processes:
        description: How many processes share the port.
        type: int
      metrics_listen:
        description: Address and port of the metrics.
        type: str
      drain_timeout:
        description: Seconds that a stopping router gives the requests in flight.
        type: int
      user:
        description: The system user that runs it.
        type: str
seealso:
  - module: modelfleet.serving.placement
  - module: modelfleet.serving.status
"""

EXAMPLES = r"""
- name: See what the host has
  modelfleet.serving.host_info:
    fleet: prod
    name: "{{ inventory_hostname }}"
    address: "{{ ansible_host }}"
    gpus:
      - {name: planned card, memory: 24GiB}
  register: host_info
"""

RETURN = r"""
host:
  description: Everything about the host. Memory in bytes. See docs/architecture.md for every key.
  type: dict
  returned: success
  sample:
    name: gpu01
    memory: {ram_total: 67430432768, ram_available: 64021651456, ram_foreign: 2147483648}
    gpus:
      - uuid: GPU-8f6c1c26-6d2e-4a53-9f0e-2b7f0c9d1e11
        index: 0
        vendor: nvidia
        name: NVIDIA H100 80GB HBM3
        memory_total: 85520809984
        memory_used: 13476298752
        memory_foreign: 13476298752
        compute_capability: "9.0"
        driver_version: 560.35.03
        cuda_version: "12.6"
        mig: false
        problem: null
    problems: []
    remarks: []
"""

import platform
import re
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.common.sizes import parse_size
from ansible_collections.modelfleet.serving.plugins.module_utils.host.report import report
from ansible_collections.modelfleet.serving.plugins.module_utils.host.services.table import CHOICES
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.files import Trouble
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.owner import service_user


def parse_port_range(text):
    """[first, last] of ``41000-41999``. Raises ValueError with a sentence."""
    match = re.fullmatch(r"(\d+)-(\d+)", text.strip())
    if not match or not 0 < int(match.group(1)) <= int(match.group(2)) < 65536:
        raise ValueError("modelfleet_port_range is %r, not two ports such as 41000-41999" % text)
    return [int(match.group(1)), int(match.group(2))]


def size(options, name):
    try:
        return parse_size(options[name])
    except ValueError as error:
        raise ValueError("modelfleet_%s: %s" % (name, error))


def main():
    module = AnsibleModule(
        argument_spec=dict(
            fleet=dict(type="str", required=True),
            name=dict(type="str", required=True),
            address=dict(type="str", required=True),
            labels=dict(type="dict", default={}),
            gpus=dict(type="list", elements="dict", default=[]),
            reserved_ram=dict(type="str", default="2GiB"),
            reserved_gpu=dict(type="str", default="512MiB"),
            port_range=dict(type="str", default="41000-41999"),
            maintenance=dict(type="bool", default=False),
            data_dir=dict(type="path", default="/var/lib/modelfleet"),
            cache_dir=dict(type="path", default="/var/lib/modelfleet/models"),
            log_dir=dict(type="path", default="/var/log/modelfleet"),
            user=dict(type="str", default="modelfleet"),
            service_manager=dict(type="str", choices=CHOICES, default="auto"),
            run_dir=dict(type="path", default=""),
            wheel_dir=dict(type="str", default=""),
            router=dict(type="bool", default=False),
            router_settings=dict(type="dict", default={}, options=dict(
                listen=dict(type="str"),
                processes=dict(type="int"),             # a survey gives "2", and the digest of the settings must not differ
                metrics_listen=dict(type="str"),
                drain_timeout=dict(type="int"),
                user=dict(type="str"),
            )),
        ),
        supports_check_mode=True,
    )
    options = dict(module.params)
    try:
        options["config"] = dict(
            {name: options[name] for name in ("labels", "maintenance", "data_dir", "cache_dir", "log_dir", "run_dir", "wheel_dir")},
            user=service_user(options["user"]),
            reserved_ram=size(options, "reserved_ram"),
            reserved_gpu=size(options, "reserved_gpu"),
            port_range=parse_port_range(options["port_range"]),
        )
        host = report(options, module.run_command, sys.executable, platform.python_version())
    except (Trouble, ValueError) as trouble:
        module.fail_json(msg=str(trouble))
    module.exit_json(changed=False, host=host)


if __name__ == "__main__":
    main()
