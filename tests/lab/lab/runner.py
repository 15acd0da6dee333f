"""Jobs as AWX runs them: ansible-runner on a private data directory that is made for each job from a project and an exported inventory."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys

import yaml

from .base import USER, ssh_key
from .cores import core
from .store import LabError, command

COLORS = re.compile(r"\x1b\[[0-9;]*m")


class Answer(str):
    """A text that somebody entered: AWX marks it, so that Ansible never takes it for a template."""


class _Dumper(yaml.SafeDumper):
    """Writes answers as AWX does."""


_Dumper.add_representer(Answer, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def sliced(exported, number, count):
    """The inventory of slice ``number`` (from 1) of ``count``: every ``count``-th host in the order of names, and nothing of the others."""
    hosts = sorted({host for group in exported.values() for host in group.get("hosts", [])})
    mine = hosts[number - 1 :: count]
    groups = {
        name: {**group, "hosts": [host for host in group["hosts"] if host in mine]} if "hosts" in group else group
        for name, group in exported.items() if name != "_meta"
    }  # fmt: skip
    hostvars = exported["_meta"]["hostvars"]
    return {**groups, "_meta": {"hostvars": {host: hostvars[host] for host in mine}}}


class Project:
    """A project that AWX has synced: its files in ``folder/project``, the collections of its requirements beside it.

    ``vault``: the password that jobs get from a vault credential.
    """

    def __init__(self, lab, folder, vault):
        self.lab, self.folder, self.vault = lab, folder, vault
        self.files, self.collections, self.jobs = folder / "project", folder / "collections", folder / "jobs"

    def sync(self):
        """Installs collections/requirements.yml."""
        words = [core(None) / "ansible-galaxy", "collection", "install", "--force", "-r", "collections/requirements.yml", "-p", self.collections]
        command(*words, cwd=self.files)

    def inventory(self, source):
        """The inventory as AWX imports it: exported in the project, without the vault's password."""
        return json.loads(command(core(None) / "ansible-inventory", "-i", source, "--list", "--export", cwd=self.files))

    def job(self, playbook, inventory, answers=(), arguments="", facts=None, seconds=400):
        """Runs a playbook of the project and returns the :class:`Job`.

        ``inventory``: data as of :meth:`inventory`. ``answers``: {variable: text} of the survey. ``arguments``: for the command line.
        ``facts``: the fact cache that an earlier job left.
        """
        self.jobs.mkdir(exist_ok=True)
        ident = str(len(list(self.jobs.iterdir())) + 1)
        private = self.jobs / ident
        shutil.copytree(self.files, private / "project")
        script = private / "inventory" / "hosts"
        script.parent.mkdir()
        script.write_text("#!%s\nprint(%r)\n" % (sys.executable, json.dumps(inventory)))
        script.chmod(0o700)
        if facts:
            shutil.copytree(facts, private / "artifacts" / ident / "fact_cache")
        self._write_environment(private / "env", ident, answers, arguments)
        words = [sys.executable, "-m", "ansible_runner", "run", private, "-p", playbook, "--ident", ident, "--quiet"]
        environment = {**os.environ, "HOME": str(private), "PATH": "%s:%s" % (core(None), os.environ["PATH"])}
        done = self.lab.controller.run(*words, env=environment, timeout=seconds)
        if not (private / "artifacts" / ident / "rc").exists():
            raise LabError("ansible-runner did not run the job:\n%s%s" % (done.stdout, done.stderr))
        return Job(private / "artifacts" / ident)

    def _write_environment(self, folder, ident, answers, arguments):
        sockets = self.lab.sockets / ident      # a job has SSH connections of its own
        sockets.mkdir(exist_ok=True)
        files = {
            "extravars": yaml.dump({name: Answer(text) for name, text in dict(answers).items()}, Dumper=_Dumper),
            "envvars": json.dumps({
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_HOST_KEY_CHECKING": "False",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
            }),
            "settings": json.dumps({"fact_cache_type": "jsonfile", "fact_cache": "fact_cache"}),
            "cmdline": "-u %s --ask-vault-pass %s" % (USER, arguments),
            "passwords": json.dumps({r"Vault password:\s*?$": self.vault}),
            "ssh_key": ssh_key().read_text(),
        }  # fmt: skip
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)


class Job:
    """A job that has ended. ``code``: its exit code; ``output``: its page, without colours; ``events``: in their order; ``facts``: its fact cache."""

    def __init__(self, artifacts):
        self.artifacts, self.facts = artifacts, artifacts / "fact_cache"
        self.code = int((artifacts / "rc").read_text())
        self.output = COLORS.sub("", (artifacts / "stdout").read_text(errors="replace")).replace("\r", "")
        events = [json.loads(path.read_text()) for path in (artifacts / "job_events").glob("*.json")]
        self.events = sorted(events, key=lambda event: event["counter"])

    def ok(self):
        """Returns self after a job that ended well. Raises AssertionError with its output otherwise."""
        assert self.code == 0, self.output
        return self

    def said(self, task, event="runner_on_ok"):
        """The lines that the events of a task show, without indentation."""
        found = [one for one in self.events if one["event"] == event and one["event_data"]["task"] == task]
        return [line.strip() for one in found for line in COLORS.sub("", one["stdout"]).splitlines()]

    @property
    def changed(self):
        """How many tasks changed something, over all hosts."""
        (end,) = (event for event in self.events if event["event"] == "playbook_on_stats")
        return sum(end["event_data"]["changed"].values())
