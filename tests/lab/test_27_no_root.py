"""A host of which one has nothing but a login: no root, no systemd of one's own. The main line works there, under supervisord, below one directory."""

import json
import time

import pytest
import yaml
from openai import OpenAI

from tests.lab.lab.playbook import run_playbook

USER, HOST = "guest", "h4"
TOP = "/home/%s/fleet" % USER
PORT = 8090
CONTROL = "%s/supervisor/env/bin/supervisorctl -c %s/supervisor/supervisord.conf " % (TOP, TOP)
ELSEWHERE = "find / -xdev -user %s -not -path '/home/*'; ls /etc/systemd/system" % USER
VARIABLES = {
    "modelfleet_fleet": "guest",
    "modelfleet_key": "a key of the lab, used nowhere else",
    "modelfleet_wheel_dir": "/opt/wheels",
    "modelfleet_become": False,
    "modelfleet_data_dir": TOP,
    "modelfleet_port_range": "42000-42099",
    "modelfleet_reserved_ram": "256MiB",
    "modelfleet_router_listen": "0.0.0.0:%d" % PORT,
    "modelfleet_router_metrics_listen": "127.0.0.1:9490",
}


class Guest:
    """A user of a lab host who may log in and nothing else, and the fleet of that user."""

    def __init__(self, lab, model):
        self.lab, self.model, self.host = lab, model, lab.hosts[HOST]
        self.folder = lab.folder / "guest"
        self.folder.mkdir()
        self.host.run("useradd --create-home --shell /bin/bash %s && cp -a /home/admin/.ssh /home/%s/ && chown -R %s: /home/%s/.ssh" % ((USER,) * 4))
        self.inventory = lab.write_inventory("guest.yml", hosts=[HOST], routers=[HOST], extra={"ansible_user": USER})
        self.variables = {**VARIABLES, "modelfleet_deployments_dir": str(self.folder)}

    def define(self, **keys):
        definition = {"name": "hello", "source": {"path": self.model[0]}, "replicas": 2, "parameters": ["--threads=1"], **keys}
        (self.folder / "hello.yml").write_text(yaml.safe_dump(definition))

    def run(self, playbook="deploy.yml", **extra):
        return run_playbook(self.lab, playbook, inventory=self.inventory, extra={**self.variables, **extra})

    def ssh(self, line, check=True):
        return self.host.ssh(line, user=USER, check=check).stdout

    def state(self, instance):
        return json.loads(self.ssh("cat %s/state/guest.%s.json" % (TOP, instance)))

    def pids(self):
        """{instance: pid} of what supervisord runs."""
        lines = [line.split() for line in self.ssh(CONTROL + "status", check=False).splitlines() if "RUNNING" in line]
        return {name.split("guest.")[-1]: int(words[2].strip(",")) for name, *words in lines}

    def commands(self):
        """The command lines of what this user runs, but for this look."""
        lines = self.host.run("ps -ww -o args= -u %s; true" % USER).stdout.splitlines()
        return [line for line in lines if not line.startswith(("sshd", "/usr/lib/systemd", "(sd-pam)"))]

    def ask(self):
        url = "http://%s:%d/v1" % (self.host.address, PORT)

        def chat():
            client = OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60)
            return client.chat.completions.create(model="hello", messages=[{"role": "user", "content": "hello"}]).choices[0].message.content

        return self.lab.controller.call(chat)


@pytest.fixture(scope="module")
def guest(lab, models):
    made = Guest(lab, models["hello"])
    made.define()
    made.before = made.host.run(ELSEWHERE).stdout
    made.first = made.run()
    yield made
    made.host.run("pkill -KILL -u %s; true" % USER)


def wait_until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen within %d s" % seconds
        time.sleep(0.2)


def test_two_replicas_and_a_router_without_root(guest):
    guest.first.ok()
    assert guest.host.ssh("sudo -n true", user=USER, check=False).returncode != 0, "this user has no root"
    assert sorted(guest.pids()) == ["hello-0", "hello-1", "modelfleet-router@guest"]
    assert guest.ask() == guest.model[1]
    assert guest.host.run(ELSEWHERE).stdout == guest.before, "nothing is written outside the user's home"
    assert guest.ssh("ls -A").split() == sorted([".ansible", ".bash_logout", ".bashrc", ".profile", ".ssh", "fleet"])


def test_again_changes_nothing(guest):
    before = guest.pids()
    assert guest.run().ok().changed == 0 and guest.pids() == before


def test_status_names_the_service_manager(guest):
    output = guest.run("playbooks/status.yml").ok().output
    assert "supervisord 4" in output and output.count("active") == 2


def test_a_killed_engine_comes_back_by_itself(guest):
    before = guest.pids()
    guest.host.run("kill -9 %d" % before["hello-0"])
    wait_until(lambda: guest.state("hello-0")["healthy_pid"] not in (None, before["hello-0"]))
    after = guest.pids()
    assert after["hello-1"] == before["hello-1"] and guest.state("hello-0")["restarts"] == 1
    assert guest.ask() == guest.model[1]


def test_after_supervisord_was_killed_a_deploy_replaces_what_it_left(guest):
    before = guest.pids()
    guest.host.run("kill -9 $(cat %s/supervisor/supervisord.pid)" % TOP)
    assert guest.ask() == guest.model[1], "what it left serves on"
    guest.define(parameters=["--threads=1", "--ctx-size=1024"])
    guest.run().ok()
    after = guest.pids()
    assert sorted(after) == sorted(before) and not set(after.values()) & set(before.values())
    engines = [line for line in guest.commands() if "llama_server.py" in line]
    routers = [line for line in guest.commands() if " serve --config" in line]
    assert (len(engines), len(routers)) == (2, 1), "\n".join(guest.commands())
    assert all("1024" in line for line in engines) and guest.ask() == guest.model[1]


def test_after_a_reboot_a_deploy_starts_everything(guest):
    guest.host.power_off()
    guest.host.power_on()
    assert [line for line in guest.commands() if TOP in line] == [], "nothing starts at boot"
    guest.run().ok()
    assert len(guest.pids()) == 3 and guest.ask() == guest.model[1]


def test_remove_all_and_nothing_is_left(guest):
    guest.run("playbooks/remove.yml", modelfleet_remove_all=True).ok()
    assert list(guest.pids()) == ["modelfleet-router@guest"]
    guest.ssh(CONTROL + "shutdown")
    wait_until(lambda: not [line for line in guest.commands() if TOP in line])
    for folder in ("records", "secrets", "credentials", "state"):
        assert guest.ssh("ls %s/%s" % (TOP, folder)) == "", folder


def test_a_directory_of_somebody_else_is_refused_in_one_sentence(guest):
    output = guest.run(modelfleet_data_dir="/var/lib/modelfleet").output
    assert "guest cannot write /var/lib/modelfleet: set modelfleet_data_dir to a directory of this user, or modelfleet_become to true" in output
