# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that reads names from a list, or from the text that a survey or a command line gives."""

from __future__ import annotations

import json

from ansible.errors import AnsibleFilterError


def names(value, variable):
    """The names in ``value``: a list, a JSON list, or text with commas, spaces or lines between names. Blank text and None hold no names.

    Raises AnsibleFilterError for anything else; ``variable`` is what the message calls it.
    """
    found = [] if value is None else value
    if isinstance(value, str):
        found = _from_json(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()
    if not isinstance(found, (list, tuple)) or not all(isinstance(name, str) for name in found):
        raise AnsibleFilterError("%s: give names as a list, or as text with commas between them (qwen3,chat), not %s" % (variable, value))
    return [str(name) for name in found]


def _from_json(text):
    """The value of a JSON text, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"names": names}
