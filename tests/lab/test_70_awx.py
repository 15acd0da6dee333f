"""The example project of docs/awx, run as AWX runs it: jobs of ansible-runner with surveys, a vault, limits, slices and check mode."""

import json
import shutil
import subprocess

import pytest
import yaml

from tests.lab.lab.cores import core
from tests.lab.lab.runner import Project, sliced
from tests.lab.lab.store import ROOT, command

KEY = "a key that only the vault knows"
VAULT = "the password of the vault"
HOSTS = ("h1", "h2", "h3")
ROUTER = "h1"
PORT = 8090
PIDS = r"""
for file in /var/lib/modelfleet/records/awx.*.json; do
    [ -e "$file" ] || continue
    stem=$(basename "$file" .json)
    echo "${stem#awx.} $(systemctl show --value --property=MainPID "modelfleet@$stem")"
done
"""


class Fleet:
    """The fleet `awx`: hello, three replicas on three hosts, one router. Beside it the hosts may serve other fleets."""

    def __init__(self, lab, folder, model):
        self.lab, self.model = lab, model
        self.project = Project(lab, folder, VAULT)

    def set_up(self):
        """What a person does: copies the project, names hosts, encrypts the key; and what AWX does then: syncs project and inventory."""
        files = self.project.files
        shutil.copytree(ROOT / "docs/awx/project", files)
        command(core(None) / "ansible-galaxy", "collection", "build", "--output-path", self.project.folder, ROOT)
        (tarball,) = self.project.folder.glob("*.tar.gz")
        (files / "collections/requirements.yml").write_text(yaml.safe_dump({"collections": [{"name": str(tarball), "type": "file"}]}))
        site = files / "inventories/lab"
        (site / "group_vars").mkdir(parents=True)
        hosts = {name: {"ansible_host": self.lab.hosts[name].address} for name in HOSTS}
        (site / "hosts").write_text(yaml.safe_dump({"all": {"children": {"gpu_hosts": {"hosts": hosts}, "routers": {"hosts": {ROUTER: None}}}}}))
        self.variables = {
            "modelfleet_fleet": "awx",
            "modelfleet_deployments_dir": "deployments/lab",
            "modelfleet_wheel_dir": "/opt/wheels",
            "modelfleet_router_listen": "0.0.0.0:%d" % PORT,
            "modelfleet_router_metrics_listen": "",
        }
        password = self.project.folder / "vault-password"
        password.write_text(VAULT)
        encrypt = [core(None) / "ansible-vault", "encrypt_string", "--vault-password-file", password, "--name", "vault_modelfleet_key", KEY]
        variables = {**self.variables, "modelfleet_key": "{{ vault_modelfleet_key }}"}
        (site / "group_vars/all.yml").write_text(yaml.safe_dump(variables) + command(*encrypt))
        (files / "deployments/lab").mkdir()
        self.define(512)
        self.project.sync()
        self.inventory = self.project.inventory("inventories/lab/hosts")

    def define(self, context):
        text = yaml.safe_dump({"name": "hello", "source": {"path": self.model}, "replicas": 3, "parameters": ["--ctx-size=%d" % context]})
        (self.project.files / "deployments/lab/hello.yml").write_text(text)

    def job(self, playbook="deploy.yml", inventory=None, **options):
        return self.project.job(playbook, inventory or self.inventory, **options)

    def pids(self):
        """{instance: (host, pid)}."""
        lines = [(name, line.split()) for name in HOSTS for line in self.lab.hosts[name].run(PIDS).stdout.splitlines()]
        return {instance: (name, int(pid)) for name, (instance, pid) in lines}

    def ask(self):
        body = {"model": "hello", "max_tokens": 3, "messages": [{"role": "user", "content": "hello"}]}
        return self.lab.controller.http("http://%s:%d/v1/chat/completions" % (self.lab.hosts[ROUTER].address, PORT), body)


@pytest.fixture(scope="module")
def fleet(lab, models, tmp_path_factory):
    for host in lab.hosts.values():
        if not host.leader():
            host.power_on()
    lab.heal()
    made = Fleet(lab, tmp_path_factory.mktemp("awx"), models["hello"][0])
    made.set_up()
    return made


@pytest.fixture(scope="module")
def deployed(fleet):
    """The fleet after its first job, in which a survey set every variable that is no map, each to what it is anyway."""
    specs = yaml.safe_load((ROOT / "roles/fleet/meta/argument_specs.yml").read_text())["argument_specs"]["plan"]["options"]
    defaults = {**yaml.safe_load((ROOT / "roles/fleet/defaults/main.yml").read_text()), **fleet.variables}
    answers = {
        name: as_text(defaults[name]) for name, option in specs.items()
        if name in defaults and option["type"] != "dict" and option.get("elements") != "dict" and "{{" not in str(defaults[name])
    }  # fmt: skip
    fleet.first = fleet.job(answers=answers)
    return fleet


def as_text(value):
    return json.dumps(value) if isinstance(value, bool) else "" if value in (None, []) else str(value)


def test_the_inventory_comes_with_the_key_still_encrypted(fleet):
    variables = fleet.inventory["all"]["vars"]
    assert set(variables["vault_modelfleet_key"]) == {"__ansible_vault"} and KEY not in json.dumps(fleet.inventory)


def test_a_job_deploys_and_its_events_can_be_read(deployed):
    deployed.first.ok()
    plan = deployed.first.said("Show the plan")
    assert "hello: 3 instances" in plan and "3 to start in 1 wave, 0 pending." in plan
    recap = deployed.first.said("Say what changed")
    assert "Fleet awx is at generation 1: 3 instances changed, 0 pending." in recap
    assert sum(line.startswith("+ hello-") for line in recap) == 3
    assert {host for host, _pid in deployed.pids().values()} == set(HOSTS)
    status, text = deployed.ask()
    assert status == 200 and json.loads(text)["choices"][0]["message"]["content"] == "Hello from a"


def test_another_checkout_without_the_survey_changes_nothing(deployed):
    before = deployed.pids()
    again = deployed.job(facts=deployed.first.facts).ok()
    assert again.changed == 0 and "Nothing to change, 0 pending." in again.said("Show the plan"), again.output
    assert deployed.pids() == before


def test_no_job_leaves_the_key_behind(deployed):
    found = subprocess.run(["grep", "-rlF", KEY, deployed.project.jobs, deployed.project.collections], capture_output=True, text=True)
    assert found.returncode == 1 and not found.stdout


def test_a_limited_job_changes_what_it_names_and_says_so(deployed):
    before = deployed.pids()
    deployed.define(1024)
    limited = deployed.job(arguments="--limit h2").ok()
    plan = limited.said("Show the plan")
    assert ("this run is limited to 1 of 3 hosts (--limit): it changes instances on h2 only, and tells every router; a run without --limit "
            "brings the others up to date") in plan
    assert "1 to restart in 1 wave, 0 pending." in plan
    after = deployed.pids()
    assert {host for instance, (host, _pid) in after.items() if after[instance] != before[instance]} == {"h2"}
    registry = json.loads(deployed.lab.hosts[ROUTER].run("cat", "/var/lib/modelfleet/router/awx/registry.json").stdout)
    assert registry["generation"] == 2 and len(registry["instances"]) == 3, "the router outside the limit is told"


def test_a_check_job_shows_the_drift_as_a_change(deployed):
    before = deployed.pids()
    check = deployed.job(arguments="--check").ok()
    assert check.changed == 1 and "2 to restart in 2 waves, 0 pending." in check.said("Show the plan")
    assert deployed.pids() == before


def test_a_slice_without_the_router_is_refused(deployed):
    part = deployed.job(inventory=sliced(deployed.inventory, 2, 2))
    assert part.code != 0 and part.changed == 0
    said = " ".join(part.said("Plan", "runner_on_failed"))
    assert "The fleet has a router h1 that the inventory does not name" in said and "in AWX with one job slice" in said


def test_a_slice_leaves_the_hosts_of_the_others_alone(deployed):
    before = deployed.pids()
    part = deployed.job(inventory=sliced(deployed.inventory, 1, 2)).ok()
    assert [line for line in part.said("Show the plan") if line.startswith("h2: it is taken out of the inventory, or in another slice of the job; ")]
    after = deployed.pids()
    assert sorted(after) == sorted(before)
    assert {host for instance, (host, _pid) in after.items() if after[instance] != before[instance]} == {"h1", "h3"}


def test_a_blank_remove_survey_removes_nothing(deployed):
    before = deployed.pids()
    blank = {"modelfleet_remove_deployments": " ", "modelfleet_remove_instances": "", "modelfleet_remove_all": "false"}
    refused = deployed.job("remove.yml", answers=blank)
    assert refused.code != 0 and "Say what to remove" in " ".join(refused.said("Refuse to guess", "runner_on_failed"))
    assert deployed.pids() == before


def test_a_remove_survey_names_a_deployment(deployed):
    answers = {"modelfleet_remove_deployments": "hello, ", "modelfleet_remove_instances": "", "modelfleet_remove_all": "false"}
    removed = deployed.job("remove.yml", answers=answers).ok()
    assert "Fleet awx is at generation 4: 3 instances changed, 0 pending." in removed.said("Say what changed"), removed.output
    assert deployed.pids() == {}
