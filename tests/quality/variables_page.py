"""docs/variables.md: every variable that users set, from the defaults and the argument specification of the role fleet."""

from __future__ import annotations

import re

import yaml
from markup import cell, default_of, table, type_of

INTRODUCTION = """# Variables

<!-- made by `make docs` from roles/fleet, do not edit -->

Variables of the fleet go into `group_vars/all` beside the inventory, variables of a host into its `host_vars` or beside its name.
Ansible's usual precedence counts; `-e` beats everything. A variable of the wrong type is refused before anything happens.
"""


def page(roles):
    specification = yaml.safe_load((roles / "fleet/meta/argument_specs.yml").read_text())["argument_specs"]["plan"]["options"]
    text = (roles / "fleet/defaults/main.yml").read_text()
    defaults = yaml.safe_load(text)
    lines = [INTRODUCTION, "## Required", "", *_table([name for name, option in specification.items() if option.get("required")], specification, defaults)]
    for title, names in _sections(text):
        lines += ["", "## " + title, "", *_table(names, specification, defaults)]
    return "\n".join(lines) + "\n"


def _sections(text):
    """(title, variables) for each comment of the defaults that stands on a line of its own, up to the first full stop of it."""
    parts = re.split(r"^# (.*)$", text, flags=re.MULTILINE)[1:]
    for title, body in zip(parts[::2], parts[1::2]):
        yield title.split(". ")[0].rstrip("."), re.findall(r"^(\w+):", body, flags=re.MULTILINE)


def _table(names, specification, defaults):
    lines = []
    for name in names:
        option = {**specification[name], "default": defaults.get(name)}
        lines.append(("`%s`" % name, type_of(option), default_of(option), cell(option["description"])))
    return table(("variable", "type", "default", "what"), lines)
