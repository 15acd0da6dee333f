"""The module as Ansible runs it, also where pydantic is not installed."""

import json
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
MODULE = "ansible_collections.modelfleet.serving.plugins.modules.definitions"
WITHOUT = "import sys, runpy; sys.modules[%r] = None; runpy.run_module(%r, run_name='__main__')"


def run(arguments, *python):
    environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, ".collections")}
    done = subprocess.run(
        [sys.executable, *(python or ("-m", MODULE))],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_success(folder):
    folder.write(
        "a.yml",
        'name: a\nsource: {path: /m}\nplacement: {gpus: ["gpu01:0"]}\nsecrets: {A: s}\ndescription: "{{ x }}"\n',
    )
    result = run({"directory": str(folder.path), "hosts": ["gpu01"], "secrets": ["s"], "_ansible_check_mode": True})
    assert result["changed"] is False and result["files"] == 1
    assert result["deployments"][0]["placement"]["gpus"] == [{"host": "gpu01", "index": 0}]
    assert "never templated" in json.dumps(result["warnings"])


def test_failure_has_all_sentences_as_text_and_as_data(folder):
    path = folder.write("a.yml", "name: a\nsource: {path: ~/m}\nreplica: 1\n")
    result = run({"directory": str(folder.path), "hosts": []})
    assert result["failed"] is True
    lines = result["msg"].split("\n")
    assert [line.split(" ")[0] for line in lines] == ["%s:2:" % path, "%s:3:" % path]
    assert [(error["file"], error["line"], error["key"]) for error in result["errors"]] == [
        (str(path), 2, "source.path"),
        (str(path), 3, "replica"),
    ]
    assert ["%s:%d: %s" % (error["file"], error["line"], error["message"]) for error in result["errors"]] == lines


@pytest.mark.parametrize("library, words", [("pydantic", "pydantic>=2"), ("yaml", "PyYAML")])
def test_a_missing_library_is_named(folder, library, words):
    result = run({"directory": str(folder.path), "hosts": []}, "-c", WITHOUT % (library, MODULE))
    assert result["failed"] is True
    assert "Failed to import the required Python library (%s)" % words in result["msg"]
