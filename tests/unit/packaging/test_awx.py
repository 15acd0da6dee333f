"""What docs/awx gives to AWX is what AWX takes: playbooks and inventories that it lists, surveys that it accepts and whose answers mean something."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.validation import check_type_bool, check_type_int, check_type_str
from ansible_collections.modelfleet.serving.plugins.filter.names import names

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "docs/awx/project"
DATA = yaml.safe_load((ROOT / "docs/awx/job_templates.yml").read_text())
TEMPLATES = {template["name"]: template for template in DATA["controller_templates"]}
SURVEYS = {name: template["survey_spec"] for name, template in TEMPLATES.items() if template.get("survey_enabled")}
OPTIONS = yaml.safe_load((ROOT / "roles/fleet/meta/argument_specs.yml").read_text())["argument_specs"]["plan"]["options"]
DEFAULTS = yaml.safe_load((ROOT / "roles/fleet/defaults/main.yml").read_text())
# AWX offers a file of a project as a playbook when a line begins with one of these keys.
LISTED = re.compile(r"^\s*(- *)?(hosts|import_playbook):", re.MULTILINE)
TYPES = {"text": str, "textarea": str, "multiplechoice": str, "integer": int, "float": float}


PLAYBOOKS = sorted([*PROJECT.glob("*.yml"), ROOT / "deploy.yml", *ROOT.glob("playbooks/*.yml")])


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_awx_lists_the_playbook_and_ansible_reads_it(playbook):
    assert LISTED.search(playbook.read_text())
    words = [Path(sys.executable).parent / "ansible-playbook", "--syntax-check", "-i", "inventories/example/hosts", playbook]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    done = subprocess.run(words, cwd=PROJECT, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_every_template_runs_a_playbook_of_the_project_over_the_whole_inventory():
    for template in TEMPLATES.values():
        assert (PROJECT / template["playbook"]).exists()
        assert template["job_slice_count"] == 1
        assert template["project"] in {project["name"] for project in DATA["controller_projects"]}
        assert template["inventory"] in {inventory["name"] for inventory in DATA["controller_inventories"]}


def test_the_inventory_source_is_a_file_that_awx_offers():
    (source,) = DATA["controller_inventory_sources"]
    path = PROJECT / source["source_path"]
    assert path.name == "hosts" and set(yaml.safe_load(path.read_text())["all"]["children"]) == {"gpu_hosts", "routers"}
    assert (PROJECT / yaml.safe_load((path.parent / "group_vars/all.yml").read_text())["modelfleet_deployments_dir"]).is_dir()


def test_workflow_and_schedule_name_what_exists():
    (workflow,) = DATA["controller_workflows"]
    nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
    for node in nodes.values():
        assert ("approval_node" in node) != (node.get("unified_job_template") in TEMPLATES)
        assert set(node.get("success_nodes", [])) <= set(nodes)
    assert {schedule["unified_job_template"] for schedule in DATA["controller_schedules"]} <= set(TEMPLATES)


@pytest.mark.parametrize("name", sorted(SURVEYS))
def test_awx_accepts_the_survey(name):
    survey = SURVEYS[name]
    assert isinstance(survey["name"], str) and isinstance(survey["description"], str) and survey["spec"]
    variables = [question["variable"] for question in survey["spec"]]
    assert len(variables) == len(set(variables))
    for question in survey["spec"]:
        assert {"question_name", "variable", "type", "required"} <= set(question) and isinstance(question["required"], bool)
        assert isinstance(question["default"], TYPES[question["type"]])
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"] and all(isinstance(choice, str) for choice in question["choices"])
        else:
            assert isinstance(question["min"], int) and isinstance(question["max"], int)


def understood(variable, answer):
    """What the role makes of an answer. Raises where it refuses it."""
    option = OPTIONS[variable]
    if option["type"] == "list":
        return names(answer, variable)
    value = {"bool": check_type_bool, "int": check_type_int, "str": check_type_str}[option["type"]](answer)
    assert value in option.get("choices", [value])
    return value


@pytest.mark.parametrize("name", sorted(SURVEYS))
def test_every_answer_means_something_and_an_untouched_survey_changes_nothing(name):
    for question in SURVEYS[name]["spec"]:
        variable = question["variable"]
        for choice in question.get("choices", []):
            understood(variable, choice)
        assert understood(variable, str(question["default"])) == DEFAULTS[variable]
