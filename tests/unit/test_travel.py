"""What travels to hosts: no controller code, nothing but the standard library and Ansible's own module_utils."""

import ast
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = "ansible_collections.modelfleet.serving."
ON_HOSTS = ["fleet", "host_info", "instances", "leased_command", "model_info", "registry"]
ALLOWED = {"__future__", "ansible", "ansible_collections"}


def source_of(name):
    """The file of a dotted name below the collection, or None."""
    path = os.path.join(ROOT, *name.split(".")) + ".py"
    return path if os.path.isfile(path) else None


def imports(name):
    """Dotted names that the module ``name`` (below the collection) imports, those of the collection without its prefix."""
    with open(source_of(name)) as file:
        tree = ast.parse(file.read())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(name.split(".")[:-node.level] + ([node.module] if node.module else []))
                base = PREFIX + base
            found.add(base)
            found.update("%s.%s" % (base, alias.name) for alias in node.names)
    return found


def carried(module):
    """(files of the collection, top-level names of everything else) that a module carries with it."""
    files, others, todo = set(), set(), ["plugins.modules." + module]
    while todo:
        name = todo.pop()
        if name in files:
            continue
        files.add(name)
        for found in imports(name):
            if found.startswith(PREFIX):
                inside = found[len(PREFIX):]
                if source_of(inside):
                    todo.append(inside)
            else:
                others.add(found.split(".")[0])
    return files, others


@pytest.mark.parametrize("module", ON_HOSTS)
def test_a_host_module_carries_no_controller_file(module):
    files, _others = carried(module)
    assert not [name for name in files if ".controller." in name]
    assert len(files) > 1


@pytest.mark.skipif(sys.version_info < (3, 10), reason="this Python does not list its standard library")
@pytest.mark.parametrize("module", ON_HOSTS)
def test_a_host_module_needs_only_the_standard_library(module):
    _files, others = carried(module)
    assert others - set(sys.stdlib_module_names) - ALLOWED == set()


def test_every_module_is_known_to_run_on_hosts_or_on_the_controller():
    """A new module that runs on hosts must be named above."""
    for name in sorted(os.listdir(os.path.join(ROOT, "plugins", "modules"))):
        module = name[:-3]
        if name.endswith(".py") and module not in ON_HOSTS:
            assert any(".controller." in file for file in carried(module)[0]), module


def test_the_launcher_needs_only_what_lies_beside_it():
    with open(os.path.join(ROOT, "roles", "host", "files", "launcher.py")) as file:
        tree = ast.parse(file.read())
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    beside = {"alone", "backoff", "devices", "health"}
    assert beside <= found
    for name in beside:
        assert not [part for part in imports("plugins.module_utils.host.launch." + name) if part.startswith(PREFIX)]
