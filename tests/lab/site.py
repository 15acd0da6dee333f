"""A site on a lab: definitions, variables, and what a person does with them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import yaml
from openai import OpenAI

from .lab.playbook import run_playbook, start_playbook

FLEET = "lab"
KEY = "a key of the lab, used nowhere else"
RECORDS = "/var/lib/modelfleet/records"
LIVE = """
for file in %s/*.json; do
    [ -e "$file" ] || continue
    stem=$(basename "$file" .json)
    echo "$stem $(systemctl show --value --property=MainPID "modelfleet@$stem") $(systemctl is-active "modelfleet@$stem")"
done
""" % RECORDS


class Site:
    """The fleet ``lab`` on the hosts of a lab. ``models`` as the fixture gives them: {name: (path, text)}."""

    def __init__(self, lab, models):
        self.lab, self.models = lab, models
        self.folder = lab.folder / "site"
        self.deployments = self.folder / "deployments"
        self.deployments.mkdir(parents=True, exist_ok=True)
        self.variables = {
            "modelfleet_fleet": FLEET,
            "modelfleet_key": KEY,
            "modelfleet_deployments_dir": str(self.deployments),
            "modelfleet_wheel_dir": "/opt/wheels",
            "modelfleet_drain_timeout": 120,
        }

    # --- definitions

    def define(self, name, model, **keys):
        """Writes the definition of a deployment of one of the models."""
        text = yaml.safe_dump({"name": name, "source": {"path": self.models[model][0]}, **keys}, sort_keys=False)
        (self.deployments / ("%s.yml" % name)).write_text(text)

    def undefine(self, name):
        (self.deployments / ("%s.yml" % name)).unlink()

    def define_base(self, chat=()):
        """What the tests begin with: chat, three replicas that recite slowly, and embed. ``chat``: further parameters of chat."""
        for path in self.deployments.iterdir():
            path.unlink()
        self.define_chat(3, chat)
        self.define("embed", "embed", categories=["embedding"])

    def define_chat(self, replicas, parameters=()):
        """One thread each: several engines that spin on two cores only hinder each other."""
        own = ["--ctx-size=8192", "--parallel=8", "--threads=1", "--threads-batch=1", "--poll=0"]
        self.define("chat", "count", replicas=replicas, parameters=[*own, *parameters], aliases=["gpt-4o-mini"])

    # --- runs

    def start(self, *arguments, playbook="deploy.yml", extra=None, **options):
        return start_playbook(self.lab, playbook, *arguments, extra={**self.variables, **(extra or {})}, **options)

    def run(self, *arguments, playbook="deploy.yml", extra=None, **options):
        """Runs a playbook to its end, whatever that is."""
        return run_playbook(self.lab, playbook, *arguments, extra={**self.variables, **(extra or {})}, **options)

    def deploy(self, *arguments, **options):
        """Deploys; the run must end well."""
        return self.run(*arguments, **options).ok()

    # --- what is there

    def live(self):
        """{instance: (host, pid, state)} of every host that is powered. Raises AssertionError when an id is there twice."""
        found = {}
        for host in self.lab.hosts.values():
            if host.leader():
                for line in host.run(LIVE).stdout.splitlines():
                    stem, pid, state = line.split()
                    fleet, instance = stem.split(".", 1)
                    assert instance not in found, "%s runs on %s and on %s" % (instance, found[instance][0], host.name)
                    found[instance] = (host.name, int(pid), state)
        return found

    def record(self, instance):
        host = self.live()[instance][0]
        return json.loads(self.lab.hosts[host].run("cat", "%s/%s.%s.json" % (RECORDS, FLEET, instance)).stdout)

    def registry(self, router):
        """The registry in force on a router host."""
        return json.loads(self.lab.hosts[router].run("cat", "/var/lib/modelfleet/router/%s/registry.json" % FLEET).stdout)

    def serving(self, router):
        """{instance: state} in the registry of a router."""
        return {entry["id"]: entry["state"] for entry in self.registry(router)["instances"]}

    def router_status(self, router):
        socket = "/run/modelfleet-router/%s/admin.sock" % FLEET
        return json.loads(self.lab.hosts[router].run("curl", "-sS", "--unix-socket", socket, "http://router/status").stdout)

    # --- requests

    def url(self, router):
        return "http://%s:8080/v1" % self.lab.hosts[router].address

    def ask(self, router, function):
        """Calls ``function`` with an openai client of a router, in the controller's namespace."""
        return self.lab.controller.call(lambda: function(OpenAI(base_url=self.url(router), api_key="none", max_retries=0, timeout=120)))

    def chat(self, router, model="chat", words=5):
        """The first words of an answer."""
        return self.ask(
            router,
            lambda client: client.chat.completions.create(
                model=model, max_tokens=words, messages=[{"role": "user", "content": "hello"}]
            ).choices[0].message.content,
        )

    @contextlib.contextmanager
    def traffic(self, model="chat", text="count", parallel=16):
        """Traffic through all routers while it lasts; gives a dict that holds the tally (traffic.py) afterwards, and `started`."""
        self.folder.mkdir(exist_ok=True)
        expected, until = self.folder / "expected.txt", self.folder / "until"
        expected.write_text(self.models[text][1])
        until.unlink(missing_ok=True)
        urls = [word for router in self.lab.routers for word in ("--url", self.url(router))]
        script = str(__file__).replace("site.py", "traffic.py")
        process = self.lab.controller.start(
            sys.executable, script, *urls, "--model", model, "--expected", expected, "--until", until, "--parallel", parallel,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        tally = {"started": time.time()}
        try:
            yield tally
        finally:
            until.touch()
            output, _none = process.communicate(timeout=240)
        tally.update(json.loads(output))
        print("traffic:", json.dumps({key: value for key, value in tally.items() if key != "stream_seconds"}))
        if tally["stream_seconds"]:
            print("streams: %d, %.1f to %.1f s" % (tally["streams"], tally["stream_seconds"][0], tally["stream_seconds"][-1]))
