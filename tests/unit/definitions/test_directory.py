"""Files and documents: everything that is wrong at once, in order, and never an empty fleet by accident."""

import os
import re

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.documents import read_documents
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.models import Definition
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.read import (
    read_directory,
    validate,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = "name: %s\nsource: {path: /m.gguf}\n"


def test_a_typo_in_three_files_is_three_sentences(folder):
    folder.write("one.yml", GOOD % "one" + "replica: 2\n")
    folder.write("two.yaml", GOOD % "two" + "placement:\n  strategy: spread\n  gpu: []\n")
    folder.write("sub/three.yml", GOOD % "three" + "backend_version: 0.10\n")
    folder.write("sub/fine.yml", GOOD % "fine")
    assert folder.sentences() == [
        "one.yml:3: replica is an unknown key, did you mean replicas? allowed: aliases, backend, "
        "backend_executable, backend_packages, backend_version, "
        "categories, description, env, name, parameters, placement, replicas, restart, secrets, source, update",
        'sub/three.yml:3: backend_version must be text, but YAML reads 0.10 as a number: quote it, "0.10"',
        "two.yaml:5: placement.gpu is an unknown key, did you mean gpus? "
        "allowed: cpu_offload, gpus, host_labels, strategy",
    ]
    assert folder.read().deployments == []
    assert folder.read().files == 4


def test_all_problems_of_one_file_in_the_order_of_its_lines(folder):
    folder.write("d.yml", "name: X\nsource: {path: ~/m}\nreplicas: x\nenv: {A: 1, B: 2}\nname: y\n")
    lines = [problem.line for problem in folder.read().problems]
    assert lines == [1, 2, 3, 4, 4, 5]


def test_which_files_count(folder):
    folder.write("b.yml", GOOD % "b")
    folder.write("x/y/a.yaml", GOOD % "a")
    for hidden in (".c.yml", ".d/c.yml", "c.yml.bak", "c.txt"):
        folder.write(hidden, "broken: [")
    reading = folder.read()
    assert [definition["name"] for definition in reading.deployments] == ["a", "b"]
    assert reading.files == 2


def test_links_are_followed_once(folder, tmp_path):
    other = tmp_path / "shared"
    other.mkdir()
    (other / "a.yml").write_text(GOOD % "a")
    (folder.path / "shared").symlink_to(other)
    (other / "back").symlink_to(folder.path)
    assert [definition["name"] for definition in folder.read().deployments] == ["a"]


def test_several_documents_of_a_file(folder):
    folder.write("d.yml", "---\n" + GOOD % "a" + "---\n" + GOOD % "b" + "replicas: x\n")
    assert folder.sentences()[0].startswith("d.yml:7: replicas must be")
    folder.write("d.yml", "---\n" + GOOD % "b" + "---\n" + GOOD % "a")
    assert [definition["name"] for definition in folder.read().deployments] == ["a", "b"]


def test_names_are_unique_and_both_places_are_named(folder):
    folder.write("a.yml", GOOD % "same")
    folder.write("b.yml", "# comment\n" + GOOD % "same")
    folder.write("c.yml", GOOD % "other" + "aliases:\n  - same\n  - gpt\n")
    folder.write("d.yml", GOOD % "last" + "aliases: [gpt]\nreplicas: x\n")
    assert [sentence for sentence in folder.sentences() if "replicas" not in sentence] == [
        "b.yml:2: name same is already used in a.yml:1",
        "c.yml:4: aliases[0] same is already a name in a.yml:1",
        "d.yml:3: aliases[0] gpt is already an alias in c.yml:5",
    ]


@pytest.mark.parametrize(
    "content, sentences",
    [
        ("", ["d.yml:1: holds no definition; to remove a deployment delete its file"]),
        ("# name: a\n", ["d.yml:1: holds no definition; to remove a deployment delete its file"]),
        ("- name: a\n", ["d.yml:1: a definition is a mapping of keys to values, this is a list"]),
        ("just text\n", ["d.yml:1: a definition is a mapping of keys to values, this is a single value"]),
        (GOOD % "a" + "---\n", ["d.yml:4: an empty document holds no definition; remove it (and its ---)"]),
        ("name: a\nsource:\n\tpath: /m\n", ["d.yml:3:1: YAML syntax: a tab; YAML is indented with spaces"]),
        (
            "name: a: b\n",
            [
                "d.yml:1:8: YAML syntax: a colon where no key can be; "
                "indent it right, or quote a text that holds a colon"
            ],
        ),
        (
            "name: [a\n",
            ["d.yml:2:1: YAML syntax: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"],
        ),
        ("name: *x\n", ["d.yml:1:7: YAML syntax: found undefined alias 'x'"]),
        (GOOD % "a" + "env: {A: x, A: y}\n", ["d.yml:3: env.A is there twice (first in line 3)"]),
        (GOOD % "a" + "name: b\n", ["d.yml:3: name is there twice (first in line 1)"]),
        (
            GOOD % "a" + "env: !vault |\n  x\n",
            ["d.yml:3: env has the tag !vault; definitions are plain YAML, secrets are named in secrets"],
        ),
        (
            GOOD % "a" + "env: !!python/object/apply:os.system [x]\n",
            [
                "d.yml:3: env has the tag tag:yaml.org,2002:python/object/apply:os.system; definitions are plain YAML, "
                "secrets are named in secrets"
            ],
        ),
        (GOOD % "a" + "env: &e {A: *e}\n", ["d.yml:3: env.A contains itself (an alias of what is around it)"]),
        (GOOD % "a" + "env: {<<: 5}\n", ["d.yml:3: env can only merge mappings (<<)"]),
        (
            GOOD % "a" + "? [a]\n: b\n",
            ["d.yml:3: the definition has the key here, which YAML does not read as text; quote it"],
        ),
        (b"name: a\nsource: {path: /\xff}\n", ["d.yml:2: is not UTF-8 text; save the file as UTF-8"]),
        (b"name: a\nsource: {path: /\x01}\n", [r"d.yml:2: holds the character '\x01', which YAML does not allow"]),
    ],
)
def test_documents_that_are_no_definitions(folder, content, sentences):
    folder.write("d.yml", content)
    assert folder.sentences() == sentences


def test_a_file_that_is_too_deep_or_too_large(folder):
    folder.write("d.yml", GOOD % "a" + "env: " + "[" * 3000 + "]" * 3000 + "\n")
    assert folder.sentences() == ["d.yml:1: is nested too deeply"]
    laughs = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n"
    laughs += "".join("x%d: &x%d [%s]\n" % (n, n, ", ".join(["*x%d" % (n - 1)] * 10)) for n in range(1, 9))
    folder.write("d.yml", GOOD % "a" + laughs)
    assert any("has too many values (aliases?)" in sentence for sentence in folder.sentences())


def test_yaml_merges_work_and_own_keys_count_more(folder):
    folder.write(
        "d.yml",
        """
name: a
source: {path: /m}
placement: {host_labels: &labels {zone: a, rack: r1}}
env:
  <<: *labels
  zone: b
""",
    )
    reading = folder.read()
    assert reading.problems == []
    assert reading.deployments[0]["env"] == {"zone": "b", "rack": "r1"}


def test_a_missing_or_empty_directory_is_never_an_empty_fleet(folder, tmp_path):
    purpose = "to remove deployments on purpose run playbooks/remove.yml"
    assert [problem.sentence() for problem in folder.read().problems] == [
        "%s: holds no definitions (*.yml, *.yaml); %s" % (folder.path, purpose)
    ]
    missing = read_directory(str(tmp_path / "none"), [], [])
    assert [problem.sentence() for problem in missing.problems] == [
        "%s: the directory of definitions does not exist; set modelfleet_deployments_dir; %s"
        % (tmp_path / "none", purpose)
    ]
    path = folder.write("a.yml", GOOD % "a")
    assert [problem.sentence() for problem in read_directory(str(path), [], []).problems] == [
        "%s: the directory of definitions is not a directory; set modelfleet_deployments_dir; %s" % (path, purpose)
    ]


def test_a_file_that_cannot_be_read(folder):
    folder.write("a.yml", GOOD % "a")
    (folder.path / "b.yml").symlink_to("nowhere")
    assert folder.sentences() == ["b.yml: cannot be read: No such file or directory"]


def test_templates_stay_text_with_a_warning(folder):
    folder.write("d.yml", GOOD % "a" + 'description: "{{ x }}"\nparameters: ["--chat-template={% if a %}"]\n')
    reading = folder.read()
    assert reading.problems == []
    assert reading.deployments[0]["description"] == "{{ x }}"
    assert [warning.sentence().replace(str(folder.path), "DIR") for warning in reading.warnings] == [
        "DIR/d.yml:3: description looks like a template; definitions are never templated, it stays as it is",
        "DIR/d.yml:4: parameters[0] looks like a template; definitions are never templated, it stays as it is",
    ]


def test_a_directory_that_cannot_be_listed_is_named(folder, monkeypatch):
    folder.write("a.yml", GOOD % "a")
    folder.write("private/b.yml", GOOD % "b")
    listdir = os.listdir

    def refused(path):
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refused)
    assert folder.sentences() == ["private: cannot be read: Permission denied"]
    assert folder.read().deployments == []


KEYS = st.sampled_from(
    sorted(Definition.model_fields) + ["path", "per_host", "gpus", "strategy", "max_delay", "A"]
) | st.text(max_size=5)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["a", "/m", "auto", "gpu01:0", "hub_token", "--port", "spread", "llm"])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=6) | VALUES, min_size=1, max_size=3))
def test_any_yaml_gives_definitions_or_sentences(values):
    import yaml

    content = yaml.safe_dump_all(values, allow_unicode=True).encode()
    documents, problems = read_documents("d.yml", content)
    definitions, more = validate(documents, ["gpu01"], ["hub_token"])
    for problem in problems + more:
        assert 1 <= problem.line <= len(re.findall("[\n\x85\u2028\u2029]", content.decode())) + 1      # what YAML takes for ends of lines
        assert problem.sentence().startswith("d.yml:%d:" % problem.line)
    if not problems + more:
        assert len(definitions) == len(values)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_documents_or_sentences(content):
    documents, problems = read_documents("d.yml", content)
    assert documents or problems
