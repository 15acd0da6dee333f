#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: definitions
short_description: Read and check the definitions of all deployments
version_added: "0.1.0"
author:
  - modelfleet contributors (@modelfleet)
description:
  - Reads every C(*.yml) and C(*.yaml) file of a directory and of the directories below it. Hidden ones are skipped.
    Each YAML document is the definition of one deployment.
  - Fails with all errors of all files at once, each one a sentence with file, line and key.
  - Types are strict. A version such as V(0.10) must be quoted, or YAML makes a number of it.
  - Definitions are never templated. A text that looks like a template stays as it is, with a warning.
  - Runs on the controller.
requirements:
  - pydantic >= 2
  - PyYAML
extends_documentation_fragment:
  - modelfleet.serving.reads
options:
  directory:
    description:
      - The directory with the definitions.
      - It must exist and hold at least one definition,
        so that a wrong path never means that everything is to be removed.
    type: path
    required: true
  hosts:
    description:
      - Names of the hosts that run engines, those of the group C(gpu_hosts). GPUs of other hosts are refused.
    type: list
    elements: str
    required: true
  secrets:
    description:
      - Names of the known secrets, the keys of C(modelfleet_secrets). Only the names, never the values.
    type: list
    elements: str
    default: []
  allow_empty:
    description: Whether the directory may be missing or empty, for a run that removes everything on purpose.
    type: bool
    default: false
seealso:
  - module: modelfleet.serving.model_info
"""

EXAMPLES = r"""
- name: Read the definitions
  modelfleet.serving.definitions:
    directory: deployments/example
    hosts: "{{ groups['gpu_hosts'] }}"
    secrets: "{{ modelfleet_secrets.keys() | list }}"
  register: definitions
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
deployments:
  description: The normalized definitions, sorted by name, with all defaults filled in.
  returned: success
  type: list
  elements: dict
  sample:
    - name: qwen3
      file: deployments/example/qwen3.yml
      source: {path: /srv/models/Qwen3-8B-Q4_K_M.gguf}
      replicas: {count: 2}
      backend: auto
      backend_version: null
      backend_executable: null
      parameters: ["--ctx-size=16384"]
      env: {}
      secrets: {}
      aliases: [gpt-4o-mini]
      description: ""
      categories: []
      placement: {strategy: spread, host_labels: {}, gpus: [{host: gpu01, index: 0}], cpu_offload: true}
      restart: {on_error: true, max_delay: 300}
      update: {max_unavailable: 1, max_surge: 0}
files:
  description: How many files were read.
  returned: success
  type: int
  sample: 1
errors:
  description: Everything that is wrong. RV(ignore:msg) holds the same as sentences, one a line.
  returned: failure
  type: list
  elements: dict
  contains:
    file:
      description: The file.
      type: str
      returned: always
    line:
      description: The line, counted from 1. 0 when the file or directory as a whole is meant.
      type: int
      returned: always
    key:
      description: The path of the key, or an empty text.
      type: str
      returned: always
    message:
      description: The sentence without its place.
      type: str
      returned: always
  sample:
    - file: deployments/example/qwen3.yml
      line: 7
      key: placement.gpu
      message: "placement.gpu is an unknown key, did you mean gpus? allowed: cpu_offload, gpus, host_labels, strategy"
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions import compat
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.read import read_directory


def main():
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "allow_empty": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    for library, trace in compat.MISSING:
        module.fail_json(msg=missing_required_lib(library), exception=trace)
    options = module.params
    reading = read_directory(options["directory"], options["hosts"], options["secrets"], options["allow_empty"])
    for warning in reading.warnings:
        module.warn(warning.sentence())
    if reading.problems:
        module.fail_json(
            msg="\n".join(problem.sentence() for problem in reading.problems),
            errors=[problem.as_data() for problem in reading.problems])
    module.exit_json(changed=False, deployments=reading.deployments, files=reading.files)


if __name__ == "__main__":
    main()
