"""What is generated from the models is current, and says the same as the models; the examples are sound."""

import os

import jsonschema
import pytest
import yaml
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions import schema
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.definitions.read import read_directory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as stream:
        return stream.read()


def test_the_schema_in_docs_is_current():
    assert read("docs", "definition.schema.json") == schema.schema_text(), "run make docs"


def test_the_table_in_docs_is_current():
    page = read("docs", "definitions.md")
    assert page == schema.with_table(page), "run make docs"


def test_writing_twice_changes_nothing(tmp_path):
    (tmp_path / "definitions.md").write_text("before\n%s\n%s\nafter\n" % (schema.BEGIN, schema.END))
    schema.main(str(tmp_path))
    first = (tmp_path / "definitions.md").read_text()
    schema.main(str(tmp_path))
    assert (tmp_path / "definitions.md").read_text() == first
    assert (
        first.startswith("before\n")
        and first.endswith("after\n")
        and "| `placement.gpus` | list of text | `[]` |" in first
    )
    assert (tmp_path / "definition.schema.json").read_text() == schema.schema_text()


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="the page lacks"):
        schema.with_table("text")


def test_the_examples_are_sound():
    reading = read_directory(os.path.join(ROOT, "deployments", "example"), ["gpu01", "gpu02"], [])
    assert [problem.sentence() for problem in reading.problems + reading.warnings] == []
    assert [definition["name"] for definition in reading.deployments] == ["bge-m3", "qwen3"]


@pytest.mark.parametrize(
    "text, valid",
    [
        ("{name: a, source: {path: /m}}", True),
        ("{name: a, source: {path: /m}, replicas: {per_gpu: 2}, env: {A: b}, backend_version: '0.10'}", True),
        ("{name: a}", False),
        ("{name: A, source: {path: /m}}", False),
        ("{name: a, source: {path: m}}", True),
        ("{name: a, source: {path: ~/m}}", False),
        ("{name: a, source: {path: /m}, replicas: true}", False),
        ("{name: a, source: {path: /m}, replicas: {per_hots: 2}}", False),
        ("{name: a, source: {path: /m}, backend_version: 0.10}", False),
        ("{name: a, source: {path: /m}, placement: {gpu: []}}", False),
        ("{name: a, source: {path: /m}, replica: 1}", False),
    ],
)
def test_editors_and_the_module_agree(folder, text, valid):
    folder.write("d.yml", text)
    assert (folder.read().problems == []) is valid
    validator = jsonschema.Draft202012Validator(schema.json_schema())
    validator.check_schema(schema.json_schema())
    assert validator.is_valid(yaml.safe_load(text)) is valid
