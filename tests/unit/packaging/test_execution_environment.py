"""What an execution environment gets: what the controller needs, and no engine."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
CONTROLLER = ("plugins/filter", "plugins/module_utils/common", "plugins/module_utils/controller")
BROUGHT_BY_OTHERS = {"ansible", "ansible_collections", "yaml", "pydantic_core"}


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The collection as AWX installs it from a checkout: with its collections/requirements.yml."""
    target = tmp_path_factory.mktemp("collections")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(target)}       # else it finds the checkout's own link
    run(BIN / "ansible-galaxy", "collection", "install", "-r", "collections/requirements.yml", "-p", target, cwd=ROOT, env=environment)
    return target


def requirements():
    """The names in ee-requirements.txt."""
    lines = (ROOT / "meta/ee-requirements.txt").read_text().splitlines()
    return {line.split(">=")[0] for line in lines if line and not line.startswith("#")}


def test_introspection_shows_pydantic_and_nothing_else(installed):
    found = yaml.safe_load(run(BIN / "ansible-builder", "introspect", installed))
    assert [line.split("#")[0].strip() for line in found["python"]] == ["pydantic>=2"]
    assert found["system"] == []


def test_every_foreign_import_of_the_controller_is_a_requirement():
    imported = set()
    for path in (path for folder in CONTROLLER for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) - BROUGHT_BY_OTHERS == requirements()


def test_the_collection_brings_no_development_files(installed):
    collection = installed / "ansible_collections/modelfleet/serving"
    shipped = {path.name for path in collection.iterdir()}
    assert shipped <= {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "changelogs", "deploy.yml", "docs", "meta",
                       "playbooks", "plugins", "roles", "router", "tests"}
    assert [path.name for path in (collection / "tests").iterdir()] == ["config.yml"]
    assert not (collection / "docs/awx/project").exists()


def test_the_example_makes_a_build_context(tmp_path):
    run(BIN / "ansible-builder", "create", "-f", ROOT / "docs/awx/execution-environment.yml", "-c", tmp_path / "context", cwd=tmp_path)
    files = [path.read_text() for path in (tmp_path / "context").rglob("*") if path.is_file()]
    assert any("modelfleet.serving" in text for text in files)
    assert not any(engine in text for text in files for engine in ("vllm", "torch", "llama"))
