"""docs/modules/: a page for each module and filter, from what ansible-doc says, and an index."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import yaml
from markup import cell, default_of, rows, table, text, type_of

COLLECTION = "modelfleet.serving"
MADE = "<!-- made by `make docs` from the documentation in plugins/, do not edit -->"


def pages(root):
    """{path relative to docs/: text} of all pages."""
    found = {}
    index = ["# Modules and filters", "", MADE, "", "The playbooks use these."]
    for kind, title in (("module", "Modules"), ("filter", "Filters")):
        documents = _documents(root, kind)
        for name, document in documents.items():
            found["modules/%s.md" % name] = _page(name, kind, document)
        lines = [("[%s](%s.md)" % (name, name), cell(document["doc"]["short_description"])) for name, document in documents.items()]
        index += ["", "## " + title, "", *table(("name", "what it does"), lines)]
    found["modules/README.md"] = "\n".join(index) + "\n"
    return found


def _documents(root, kind):
    """{name: what ansible-doc says} of the plugins of a kind, sorted by name."""
    names = sorted(path.stem for path in (root / "plugins" / ("modules" if kind == "module" else kind)).glob("*.py"))
    command = [sys.executable, "-m", "ansible", "doc", "--json", "--type", kind, *("%s.%s" % (COLLECTION, name) for name in names)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / ".collections")}
    answer = json.loads(subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout)
    return {name: answer["%s.%s" % (COLLECTION, name)] for name in names}


def _page(name, kind, document):
    about = document["doc"]
    lines = ["# %s" % name, "", MADE, "", "%s `%s.%s`: %s." % (kind.capitalize(), COLLECTION, name, text(about["short_description"]).rstrip("."))]
    lines += ["", *_paragraphs(about["description"])]
    if about.get("requirements"):
        lines += ["", "Needs %s." % ", ".join(about["requirements"])]
    lines += ["", "## Options", "", *_options(about.get("options") or {})]
    if about.get("attributes"):
        lines += ["", "## Modes", "", *table(("mode", "support", "what it does"), _modes(about["attributes"]))]
    lines += ["", "## Example", "", "```yaml", document["examples"].strip("\n"), "```"]
    returned = document.get("return") or {}
    lines += ["", "## Returned", "", *table(("key", "type", "when", "what"), _returned(returned))]
    samples = {key: value["sample"] for key, value in returned.items() if value.get("sample") is not None}
    if samples:
        lines += ["", "```yaml", yaml.safe_dump(samples, sort_keys=False, allow_unicode=True, width=120).strip("\n"), "```"]
    return "\n".join(lines) + "\n"


def _paragraphs(description):
    for part in [description] if isinstance(description, str) else description:
        yield "- " + text(part)


def _options(options):
    lines = [("`%s`" % path, type_of(option), default_of(option), cell(option["description"])) for path, option in rows(options, "suboptions")]
    return table(("option", "type", "default", "what"), sorted(lines, key=lambda line: line[2] != "required"))


def _modes(attributes):
    return [(name.replace("_mode", ""), attribute["support"], cell(attribute["description"])) for name, attribute in sorted(attributes.items())]


def _returned(returned):
    return [
        ("`%s`" % path, type_of(value), cell(value.get("returned") or ""), cell(value["description"])) for path, value in rows(returned, "contains")
    ]
