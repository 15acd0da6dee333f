"""Writes the generated pages of docs/: the fields of definitions, and the JSON Schemas of definitions and of the registry."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, ".collections"), os.path.join(ROOT, "router")]

from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions import schema

schema.main(os.path.join(ROOT, "docs"))
with open(os.path.join(ROOT, "docs", "registry.schema.json"), "w") as file:
    subprocess.run([sys.executable, "-m", "modelfleet_router", "schema"], cwd=os.path.join(ROOT, "router"), stdout=file, check=True)
