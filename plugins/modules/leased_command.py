#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: leased_command
short_description: Run a long command while the run keeps its lease
version_added: "0.1.0"
description:
  - Runs a command without a shell, such as the installation of an engine, and renews the lease of the run until it ends.
  - What it creates can be read by everybody (umask 022), since engines run as the service user.
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.run
  - modelfleet.serving.host
options:
  argv:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
  environment:
    description: Environment variables of the command, beside those that it inherits.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Does not run the command.
    support: full
  diff_mode:
    description: Nothing to show.
    support: none
seealso:
  - module: modelfleet.serving.fleet
"""

EXAMPLES = r"""
- name: Install an engine
  modelfleet.serving.leased_command:
    fleet: demo
    run: 20260301T101500Z-1a2b3c4d
    argv: [/opt/env/bin/python, -m, pip, install, vllm==0.32.0]
"""

RETURN = r"""
stdout:
  description: What the command wrote to its standard output.
  returned: when it was run
  type: str
  sample: ""
stderr:
  description: What it wrote to its standard error.
  returned: when it was run
  type: str
  sample: ""
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fleet_file import FleetFiles
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.renewal import Renewal
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.files import Trouble


def main():
    module = AnsibleModule(
        argument_spec=dict(
            fleet=dict(type="str", required=True),
            run=dict(type="str", required=True),
            argv=dict(type="list", elements="str", required=True),
            environment=dict(type="dict", default={}),
            data_dir=dict(type="path", default="/var/lib/modelfleet"),
            lease_ttl=dict(type="int", default=120),
        ),
        supports_check_mode=True,
    )
    options = module.params
    if module.check_mode:
        module.exit_json(changed=True)
    variables = {name: str(value) for name, value in options["environment"].items()}
    try:
        with Renewal(FleetFiles(options["data_dir"], options["fleet"]), options["run"], options["lease_ttl"]):
            code, out, err = module.run_command(options["argv"], environ_update=variables, umask=0o022, handle_exceptions=False)
    except (OSError, Trouble) as error:
        module.fail_json(msg="%s could not be run: %s" % (options["argv"][0], error))
    if code:
        module.fail_json(msg="%s ended with exit code %d" % (options["argv"][0], code), stdout=out, stderr=err)
    module.exit_json(changed=True, stdout=out, stderr=err)


if __name__ == "__main__":
    main()
