# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file: strict, every mistake a sentence; and the metadata that must agree with it."""

import re
from pathlib import Path

import modelfleet_router
import pytest
import yaml
from modelfleet_router.cli import main
from modelfleet_router.config import Config, ConfigInvalid, load_config, split_address

ROUTER = Path(__file__).resolve().parents[2] / "router"
GOOD = {"fleet": "prod", "registry": "registry.json", "admin_socket": "/run/x/admin.sock"}


def write(folder, content):
    path = folder / "router.yml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_paths_are_relative_to_the_file(tmp_path):
    config = load_config(write(tmp_path, GOOD))
    assert config.registry == str(tmp_path / "registry.json")
    assert config.admin_socket == "/run/x/admin.sock"
    assert (config.listen, config.processes) == ("0.0.0.0:8080", 2)


@pytest.mark.parametrize(
    "content,sentence",
    [
        ({**GOOD, "procesess": 2}, "procesess: is not known, did you mean processes?"),
        (
            {**GOOD, "timeouts": {"gapp": 2}},
            "timeouts.gapp: is not known, did you mean gap? (allowed: connect, first_byte, gap)",
        ),
        ({**GOOD, "processes": "2"}, "processes: input should be a valid integer, found '2'"),
        ({**GOOD, "listen": "8080"}, "listen: '8080' is not an address like 0.0.0.0:8080 or [::]:8080"),
        ({**GOOD, "timeouts": {"gap": 0}}, "timeouts.gap: input should be greater than 0, found 0"),
        ({"fleet": "x", "registry": "r"}, "admin_socket: is required"),
        ("- a", "must be a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_mistakes_are_sentences(tmp_path, content, sentence, capsys):
    path = write(tmp_path, content)
    with pytest.raises(ConfigInvalid) as caught:
        load_config(path)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"{path}: {sentence}")
    assert main(["serve", "--config", str(path)]) == 78
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "address,parts",
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8080", ("::1", 8080)), ("host:0", ("host", 0))]
    + [(bad, None) for bad in ("80", ":80", "host:", "host:99999", "::1:80", "host:-1")],
)
def test_addresses(address, parts):
    if parts is None:
        with pytest.raises(ValueError):
            split_address(address)
    else:
        assert split_address(address) == parts


def test_the_readme_documents_every_setting_with_its_default():
    text = (ROUTER / "README.md").read_text()
    block = re.search(r"```yaml\n(.*?)```", text, re.S)[1]
    documented = yaml.safe_load(block)
    assert Config.model_validate(documented) == Config.model_validate({k: documented[k] for k in GOOD})
    fields = {name: getattr(f.annotation, "model_fields", None) for name, f in Config.model_fields.items()}
    for name, inner in fields.items():
        assert name in documented
        assert inner is None or set(inner) == set(documented[name])


def test_the_version_is_the_same_everywhere():
    project = (ROUTER / "pyproject.toml").read_text()
    assert f'\nversion = "{modelfleet_router.__version__}"\n' in project
    galaxy = yaml.safe_load((ROUTER.parent / "galaxy.yml").read_text())
    assert galaxy["version"] == modelfleet_router.__version__


def test_every_dependency_is_locked_with_hashes():
    project = (ROUTER / "pyproject.toml").read_text()
    wanted = re.findall(r'^  "([A-Za-z-]+)', project, re.M)
    lock = (ROUTER / "requirements.lock").read_text()
    for name in wanted:
        assert re.search(rf"^{name.lower()}==\S+ .*\\\n    --hash=sha256:", lock, re.M), name
    assert "://" not in lock
