# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that derives the keys which engines demand from the fleet's own."""

from __future__ import annotations

import hashlib
import hmac

from ansible.errors import AnsibleFilterError

SHORTEST = 16


def credentials(key, fleet, names):
    """{deployment: hex key} for the deployments ``names``: HMAC-SHA256 of ``credential:<fleet>:<deployment>`` with the fleet's ``key``."""
    if not isinstance(key, str) or len(key) < SHORTEST:
        raise AnsibleFilterError("modelfleet_key needs at least %d characters: make one with `openssl rand -hex 32` and keep it in a vault"
                                 % SHORTEST)
    return {str(name): hmac.new(key.encode("utf-8"), ("credential:%s:%s" % (fleet, name)).encode("utf-8"), hashlib.sha256).hexdigest()
            for name in names}


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"credentials": credentials}
