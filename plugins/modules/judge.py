#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: judge
short_description: Judge one step of a run from what every host answered
version_added: "0.1.0"
description:
  - Runs on the controller, once, after a step that all hosts took. Decides whether the run goes on, and says in sentences why not.
  - Trouble on a host is data here, so that one bad host neither ends the run in the middle of a wave nor goes unnoticed.
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.reads
options:
  step:
    description: What was done, in the words that begin each reason.
    type: str
    required: true
  results:
    description: The registered result of every host, by host name.
    type: dict
    required: true
  lost:
    description: What an unreachable host means.
    type: str
    choices: [stop, continue]
    default: stop
seealso:
  - module: modelfleet.serving.instances
  - module: modelfleet.serving.registry
"""

EXAMPLES = r"""
- name: Judge the wave
  modelfleet.serving.judge:
    step: wave 1
    results: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'modelfleet_instances'))) }}"
  register: verdict
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
go:
  description: Whether the run goes on.
  type: bool
  returned: always
  sample: false
reasons:
  description: Why it does not, one text per trouble.
  type: list
  elements: str
  returned: always
  sample: ["wave 1: qwen3-0 on gpu01 did not become healthy within 120 s"]
unhealthy:
  description: The instances that did not become healthy.
  type: list
  elements: str
  returned: always
  sample: [qwen3-0]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.run.judge import judge


def main():
    module = AnsibleModule(
        argument_spec=dict(
            step=dict(type="str", required=True),
            results=dict(type="dict", required=True),
            lost=dict(type="str", choices=["stop", "continue"], default="stop"),
        ),
        supports_check_mode=True,
    )
    verdict = judge(module.params["step"], module.params["results"], module.params["lost"])
    module.exit_json(changed=False, **verdict)


if __name__ == "__main__":
    main()
