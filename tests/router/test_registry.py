# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry's definition: what is taken, what is refused with which sentence, and its published schema."""

import json
from pathlib import Path

import jsonschema
import pytest
from modelfleet_router.cli import main
from modelfleet_router.registry import RegistryInvalid, parse_registry, registry_schema

ROOT = Path(__file__).resolve().parents[2]
INSTANCE = {"id": "tiny-0", "model": "tiny", "url": "http://10.0.0.5:41000"}
FULL_INSTANCE = {
    **INSTANCE,
    "host": "h1",
    "backend": "llama_cpp",
    "served_model_name": "tiny",
    "state": "draining",
    "weight": 1,
    "capacity": 4,
    "health_path": "/health",
    "metrics_path": "/metrics",
    "credential_file": "keys/tiny.key",
}
GOOD = {
    "version": 1,
    "fleet": "prod",
    "generation": 3,
    "revision": 2,
    "models": [
        {"name": "tiny", "aliases": ["t"], "categories": ["chat"], "balancing": "least_outstanding", "limits": {}}
    ],
    "instances": [FULL_INSTANCE],
}


def problems(change):
    with pytest.raises(RegistryInvalid) as caught:
        parse_registry(json.dumps({**GOOD, **change}).encode())
    return caught.value.problems


@pytest.mark.parametrize(
    "change,sentence",
    [
        ({"version": 2}, "version: input should be 1, found 2"),
        ({"generation": "3"}, "generation: input should be a valid integer, found '3'"),
        ({"generation": True}, "generation: input should be a valid integer, found True"),
        ({"revision": -1}, "revision: input should be greater than or equal to 0, found -1"),
        (
            {"instances": [{**INSTANCE, "state": "gone"}]},
            "instances[0].state: input should be 'active' or 'draining', found 'gone'",
        ),
        (
            {"instances": [{**INSTANCE, "url": "ftp://a:1"}]},
            "instances[0].url: 'ftp://a:1' is not a URL like http://10.0.0.5:41000",
        ),
        (
            {"instances": [{**INSTANCE, "url": "http://a:1/x"}]},
            "instances[0].url: 'http://a:1/x' is not a URL like http://10.0.0.5:41000",
        ),
        (
            {"instances": [{**INSTANCE, "url": "http://a:x"}]},
            "instances[0].url: 'http://a:x' is not a URL like http://10.0.0.5:41000",
        ),
        ({"instances": [{"id": "a", "model": "tiny"}]}, "instances[0].url: is required"),
        ({"instances": [{**INSTANCE, "weight": 0}]}, "instances[0].weight: input should be greater than 0, found 0"),
        ({"instances": [INSTANCE, INSTANCE]}, "instances: the id 'tiny-0' is used twice"),
        ({"instances": [{**INSTANCE, "model": "x"}]}, "instances: tiny-0 serves the model 'x', which is not in models"),
        ({"models": [{"name": "tiny", "aliases": ["tiny"]}]}, "models: the name 'tiny' is used twice"),
        (
            {"models": [{"name": "tiny", "balancing": "fair"}]},
            "models[0].balancing: 'fair' is not a balancing policy (known: least_outstanding)",
        ),
    ],
)
def test_mistakes_are_sentences_with_a_place(change, sentence):
    assert problems(change) == [sentence]


def test_all_mistakes_are_told_at_once():
    found = problems({"generation": -1, "revision": "x", "instances": [{"id": ""}]})
    assert [sentence.split(":")[0] for sentence in found] == [
        "generation", "revision", "instances[0].id", "instances[0].model", "instances[0].url"
    ]  # fmt: skip


def test_what_is_taken_is_what_the_schema_describes():
    schema = registry_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for document in (GOOD, {**GOOD, "instances": [INSTANCE], "models": [{"name": "tiny"}], "from_a_newer_writer": 1}):
        jsonschema.validate(document, schema)
        registry, _ = parse_registry(json.dumps(document).encode())
        jsonschema.validate(registry.model_dump(mode="json"), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD, "instances": [{**INSTANCE, "state": "gone"}]}, schema)


def test_the_published_schema_is_the_one_that_the_command_prints(capsys):
    assert main(["schema"]) == 0
    assert (ROOT / "docs" / "registry.schema.json").read_text() == capsys.readouterr().out


def test_check_says_what_is_wrong_and_its_status_tells(tmp_path, capsys):
    file = tmp_path / "registry.json"
    file.write_text(json.dumps({**GOOD, "new": 1}))
    assert main(["check", str(file)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"{file}: new: unknown field, ignored\n")
    file.write_text(json.dumps({**GOOD, "version": 2, "fleet": ""}))
    assert main(["check", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{file}: version: input should be 1, found 2",
        f"{file}: fleet: string should have at least 1 character, found ''",
    ]
    for content in (b"{", b"[]", b"\xff"):
        file.write_bytes(content)
        assert main(["check", str(file)]) == 1
        assert capsys.readouterr().out.startswith(f"{file}: ")
    assert main(["check", str(tmp_path / "absent")]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().out
