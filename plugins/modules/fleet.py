#!/usr/bin/python
# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet
short_description: Lease a fleet and keep fleet.json on a host
version_added: "0.1.0"
description:
  - Every host and router host keeps a copy of C(fleet.json), what is known of the fleet, and a lease, so that one run at a time changes the fleet.
  - A lease that another run holds is data in the result (RV(refused)).
author:
  - modelfleet contributors (@modelfleet)
extends_documentation_fragment:
  - modelfleet.serving.fleet
  - modelfleet.serving.run
  - modelfleet.serving.host
  - modelfleet.serving.host.name
options:
  state:
    description:
      - V(leased) takes the lease for the run, or renews it.
      - V(written) merges O(document) into C(fleet.json).
      - V(released) merges O(document), if it is given, and gives the lease back.
    type: str
    choices: [leased, written, released]
    required: true
  holder:
    description: Who runs it and where, for the message that others read.
    type: str
    default: ""
  document:
    description: A C(fleet.json) as the plan has it. Merged entry by entry; the higher generation counts.
    type: dict
    default: {}
  break_lease:
    description: The run whose lease is taken over although it has not ended.
    type: str
    default: ""
attributes:
  check_mode:
    description: Says what would change. Takes no lease.
    support: full
  diff_mode:
    description: Shows the change of C(fleet.json).
    support: full
"""

EXAMPLES = r"""
- name: Lease the fleet
  modelfleet.serving.fleet:
    state: leased
    fleet: prod
    host: "{{ inventory_hostname }}"
    run: "{{ plan.run }}"
    holder: ann@controller

- name: Write the end and give the lease back
  modelfleet.serving.fleet:
    state: released
    fleet: prod
    host: "{{ inventory_hostname }}"
    run: "{{ plan.run }}"
    document: "{{ plan.final }}"
"""

RETURN = r"""
refused:
  description: Who holds the lease and what to do, or null.
  type: str
  returned: always
  sample: null
lease:
  description: The lease on this host after the call.
  type: dict
  returned: when not refused
  sample: {run: 4f1c, holder: ann@controller, expires: 1790000000.5, left: null}
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.modelfleet.serving.plugins.module_utils.common.canonical import canonical_json
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records import lease as leases
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fence import generation_of
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fleet_file import FleetFiles
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system.files import Trouble


def write_document(files, document, check_mode):
    """Merges the document; returns (changed, diff)."""
    known, merged = files.fleet(), files.merged(document)
    changed = known is None or canonical_json(known) != canonical_json(merged)
    if changed and not check_mode:
        files.write_fleet(merged)
    return changed, dict(before=known or {}, after=merged, before_header="fleet.json", after_header="fleet.json")


def call(module, files):
    """What the module returns."""
    options = module.params
    lease, refused = leases.take(
        files.lease(), options["run"], options["holder"], time.time(), options["lease_ttl"], options["break_lease"]
    )
    if refused:
        return dict(changed=False, refused=refused)
    result = dict(changed=False, refused=None)
    if options["document"]:
        result["changed"], diff = write_document(files, options["document"], module.check_mode)
        if module._diff:
            result["diff"] = diff
        lease["left"] = leases.left_after_writing(lease["left"], generation_of(files.fleet(), options["host"]))
    if options["state"] == "released":
        lease = leases.release(lease, options["run"])
    if not module.check_mode:
        files.write_lease(lease)
    return dict(result, lease=lease)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type="str", choices=["leased", "written", "released"], required=True),
            fleet=dict(type="str", required=True),
            host=dict(type="str", required=True),
            run=dict(type="str", required=True),
            holder=dict(type="str", default=""),
            document=dict(type="dict", default={}),
            data_dir=dict(type="path", default="/var/lib/modelfleet"),
            lease_ttl=dict(type="int", default=120),
            break_lease=dict(type="str", default=""),
        ),
        supports_check_mode=True,
    )
    options = module.params
    files = FleetFiles(options["data_dir"], options["fleet"])
    try:
        if module.check_mode:
            result = call(module, files)
        else:
            with files.locked():
                result = call(module, files)
    except (Trouble, ValueError) as trouble:
        module.fail_json(msg=str(trouble))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
