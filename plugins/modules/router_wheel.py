#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: router_wheel
short_description: Pack the router into a wheel on the controller
version_added: "0.1.0"
description:
  - Packs C(router/) of the collection into a pure-Python wheel, without network or build backend. The same sources give the same bytes.
author:
  - modelfleet contributors (@modelfleet)
options:
  router_dir:
    description: The folder C(router/) of the collection.
    type: path
    required: true
  target_dir:
    description: Where the wheel is written. Made if it is missing.
    type: path
    required: true
attributes:
  check_mode:
    description: Names the wheel and does not write it.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Pack the router
  modelfleet.serving.router_wheel:
    router_dir: "{{ role_path }}/../../router"
    target_dir: /tmp/wheels
  delegate_to: localhost
"""

RETURN = r"""
build:
  description: The name of the build, from its version and a digest of its sources and locked dependencies.
  type: str
  returned: success
  sample: 0.1.0-3f2a9c1d
path:
  description: The wheel.
  type: str
  returned: when it was written
  sample: /tmp/wheels/modelfleet_router-0.1.0-py3-none-any.whl
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.packaging.router import pack_router, router_build


def main():
    module = AnsibleModule(
        argument_spec=dict(router_dir=dict(type="path", required=True), target_dir=dict(type="path", required=True)),
        supports_check_mode=True,
    )
    try:
        result = dict(build=router_build(module.params["router_dir"]))
        if not module.check_mode:
            result["path"] = pack_router(module.params["router_dir"], module.params["target_dir"])
    except (OSError, ValueError) as error:
        module.fail_json(msg="The router could not be packed: %s" % error)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
