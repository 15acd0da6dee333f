"""Writes the generated pages of docs/, or with --check names those that are not current and exits with 1.

Generated are docs/modules/ and docs/variables.md, the table of fields in docs/definitions.md, and the JSON Schemas of definitions and of the registry.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT / "router")]

import module_pages
import variables_page
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions import schema


def registry_schema():
    command = [sys.executable, "-m", "modelfleet_router", "schema"]
    return subprocess.run(command, cwd=ROOT / "router", stdout=subprocess.PIPE, check=True, text=True).stdout


def generated():
    """{path relative to docs/: text} of every generated page."""
    pages = {
        "definition.schema.json": schema.schema_text(),
        "definitions.md": schema.with_table((ROOT / "docs/definitions.md").read_text()),
        "registry.schema.json": registry_schema(),
        "variables.md": variables_page.page(ROOT / "roles"),
    }
    return {**pages, **module_pages.pages(ROOT)}


def main(check):
    pages = generated()
    stale = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs/modules").glob("*.md")]
    stale = [name for name in stale if name not in pages]
    changed = [name for name, text in pages.items() if not (ROOT / "docs" / name).exists() or (ROOT / "docs" / name).read_text() != text]
    if check:
        for name in changed + stale:
            print("docs/%s is not current: run make docs" % name)
        return 1 if changed or stale else 0
    os.makedirs(ROOT / "docs/modules", exist_ok=True)
    for name in changed:
        (ROOT / "docs" / name).write_text(pages[name])
    for name in stale:
        (ROOT / "docs" / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
