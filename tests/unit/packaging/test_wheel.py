"""The router's wheel: the same bytes for the same sources, and pip installs it."""

import os
import subprocess
import sys
import time

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.packaging import router, wheel


@pytest.fixture
def project(tmp_path):
    package = tmp_path / "project" / "modelfleet_router" / "balancing"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text('"""Package."""\n\n__version__ = "1.2.3"\n')
    (package.parent / "cli.py").write_text('def main():\n    print("it runs")\n')
    (package / "__init__.py").write_text("")
    (package.parent / "__pycache__").mkdir()
    (package.parent / "__pycache__" / "cli.cpython-311.pyc").write_bytes(b"x")
    (tmp_path / "project" / "requirements.lock").write_text("aiohttp==3.0\n")
    return tmp_path / "project"


def test_same_sources_same_bytes_whatever_the_clock_says(project, tmp_path):
    first = router.pack_router(str(project), str(tmp_path / "a"))
    for path in project.rglob("*.py"):
        os.utime(path, (time.time() + 1000, time.time() + 1000))
    second = router.pack_router(str(project), str(tmp_path / "b"))
    assert open(first, "rb").read() == open(second, "rb").read()
    assert os.path.basename(first) == "modelfleet_router-1.2.3-py3-none-any.whl"


def test_the_build_names_version_and_content(project):
    before = router.router_build(str(project))
    assert before.startswith("1.2.3-") and router.router_build(str(project)) == before
    (project / "modelfleet_router" / "cli.py").write_text("changed = True\n")
    changed = router.router_build(str(project))
    (project / "requirements.lock").write_text("aiohttp==3.1\n")
    assert len({before, changed, router.router_build(str(project))}) == 3


def test_a_package_without_version_is_refused(project):
    (project / "modelfleet_router" / "__init__.py").write_text("")
    with pytest.raises(ValueError, match="__version__"):
        router.router_build(str(project))


def test_pip_installs_it_and_the_command_runs(project, tmp_path):
    path = router.pack_router(str(project), str(tmp_path))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", path], check=True)
    assert subprocess.run([tmp_path / "env" / "bin" / "modelfleet-router"], check=True, capture_output=True).stdout == b"it runs\n"
    listed = subprocess.run([python, "-m", "pip", "show", "-f", "modelfleet-router"], check=True, capture_output=True).stdout
    assert b"modelfleet_router/balancing/__init__.py" in listed and b".pyc" not in listed.split(b"dist-info")[0]


def test_the_wheel_of_this_checkout_holds_the_whole_package():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "router")
    sources = wheel.read_sources(root, "modelfleet_router")
    assert "modelfleet_router/cli.py" in sources and "modelfleet_router/balancing/table.py" in sources
