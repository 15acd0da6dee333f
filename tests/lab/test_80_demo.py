"""`make demo` on bare Debian machines with python3-venv, git and make, as an ordinary user who may not become root.

The machines have no way out: packages come from a folder of wheels. systemd runs on them, and the demo must not need it.
"""

import json
import os
import re
import shlex
import subprocess
import time

import pytest

from demo.recite import SENTENCE
from tests.lab.lab.lab import Lab
from tests.lab.lab.store import ROOT

USER = "newcomer"
HOME = "/home/%s" % USER
WHEELS = "DEMO_WHEELS=/opt/wheels"
OWNED = "find / /tmp /run /dev/shm -xdev -user %s -printf '%%p %%y\\n' 2>/dev/null | sort -u" % USER


class Newcomer:
    """A person with a fresh clone of this checkout on a fresh machine."""

    def __init__(self, host, bundle):
        self.host = host
        host.run("useradd --create-home --shell /bin/bash %s" % USER)
        host.path(HOME + "/modelfleet.bundle").write_bytes(bundle.read_bytes())
        self.shell("git clone --quiet ../modelfleet.bundle .", check=True)
        self.owned = self.run_as_root(OWNED)

    def run_as_root(self, line):
        return self.host.run(line).stdout

    def shell(self, line, check=False):
        """Runs a shell line as the user in the checkout: a CompletedProcess whose stdout holds both outputs."""
        login = "mkdir -p ~/modelfleet && cd ~/modelfleet && %s" % line
        return self.host.run("runuser", "-l", USER, "-c", "{ %s; } 2>&1" % login, check=check, timeout=300)

    def make(self, *words):
        """Runs make, prints what it said with the times of its steps, and returns the CompletedProcess."""
        begun = time.monotonic()
        done = self.shell(shlex.join(["make", *words]))
        print("\n$ make %s\n%s(%s, exit %d, %.1f s)" % (" ".join(words), done.stdout, self.host.suite, done.returncode, time.monotonic() - begun))
        return done

    def processes(self):
        """{pid: command line} of all processes of the user."""
        lines = self.run_as_root("ps -ww -u %s -o pid=,args=" % USER).splitlines() if self.running() else []
        return {int(pid): words for pid, words in (line.strip().split(None, 1) for line in lines)}

    def running(self):
        return self.host.run("pgrep", "-u", USER, check=False).returncode == 0

    def ask(self):
        """The answer of the endpoint to a plain curl."""
        body = json.dumps({"model": "hello", "messages": [{"role": "user", "content": "Hello"}]})
        said = self.shell("curl -sS http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' -d %s" % shlex.quote(body))
        return json.loads(said.stdout)["choices"][0]["message"]["content"]

    def assert_nothing_is_left(self):
        assert self.processes() == {}
        assert self.shell("git status --short --ignored").stdout == ""
        assert self.run_as_root(OWNED) == self.owned


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """This checkout as it is now, committed or not, as a git bundle."""
    folder = tmp_path_factory.mktemp("clone")
    git = ["git", "--git-dir", folder / "git", "--work-tree", ROOT, "-c", "user.name=lab", "-c", "user.email=lab@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"], ["bundle", "create", "-q", folder / "clone.bundle", "--all", "HEAD"]):
        subprocess.run([*git, *words], check=True, cwd=ROOT)
    return folder / "clone.bundle"


@pytest.fixture(scope="module")
def machines(lab, bundle):
    """A Newcomer on Debian 12 and one on Debian 13."""
    made = Lab.create("d%d" % os.getpid(), ["bookworm", "trixie"], [], owner=os.getpid())
    yield {host.suite: Newcomer(host, bundle) for host in made.hosts.values()}
    made.remove()


@pytest.fixture(scope="module")
def bookworm(machines):
    return machines["bookworm"]


@pytest.fixture(scope="module")
def trixie(machines):
    return machines["trixie"]


def test_a_taken_port_is_named_with_a_free_one(bookworm):
    with bookworm.host.occupied_port(8080):
        done = bookworm.make("demo", WHEELS)
    assert done.returncode
    assert "port 8080 (for the endpoint) is taken by a process of root: end that, or choose another port, like `make demo PORT=8081`" in done.stdout
    bookworm.assert_nothing_is_left()


def test_without_a_network_it_says_how_packages_can_come(bookworm):
    done = bookworm.make("demo")
    assert done.returncode
    assert "no package index can be reached" in done.stdout and "`make demo DEMO_WHEELS=/path/of/wheels`" in done.stdout
    assert bookworm.make("demo-down").returncode == 0
    bookworm.assert_nothing_is_left()


def test_make_demo_answers_from_both_replicas(bookworm):
    done = bookworm.make("demo", WHEELS)
    assert done.returncode == 0
    assert done.stdout.count(SENTENCE) == 2, "once whole, once streamed"
    assert re.search(r"hello-0 answered \d+, hello-1 answered \d+", done.stdout)
    assert bookworm.ask() == SENTENCE
    pid, instance = re.search(r"kill -9 (\d+) +\((hello-\d)", done.stdout).groups()
    assert "llama_server.py" in bookworm.processes()[int(pid)] and instance in done.stdout


def test_again_changes_nothing(bookworm):
    before = bookworm.processes()
    done = bookworm.make("demo")
    assert done.returncode == 0 and "Nothing changed" in done.stdout
    assert bookworm.processes() == before


def test_an_edit_and_a_killed_replica(bookworm):
    bookworm.shell("sed -i 's/^replicas: 2/replicas: 3/' deployments/demo/hello.yml", check=True)
    done = bookworm.make("demo")
    assert done.returncode == 0 and "hello-2 answered" in done.stdout
    engine = next(pid for pid, words in bookworm.processes().items() if "llama_server.py" in words)
    bookworm.shell("kill -9 %d" % engine, check=True)
    assert bookworm.ask() == SENTENCE
    shown = bookworm.shell(".demo/venv/bin/ansible-playbook -i inventories/demo/hosts deploy.yml --check --diff")
    assert shown.returncode == 0, shown.stdout
    bookworm.shell("git checkout --quiet deployments", check=True)


def test_demo_down_leaves_nothing(bookworm):
    done = bookworm.make("demo-down")
    assert done.returncode == 0 and "Nothing of the demo is left." in done.stdout
    bookworm.assert_nothing_is_left()


def test_on_debian_13_and_down_after_everything_was_killed(trixie):
    done = trixie.make("demo", WHEELS, "PORT=9000")
    assert done.returncode == 0 and done.stdout.count(SENTENCE) == 2
    trixie.shell("pkill -KILL -u %s -f supervisor/" % USER)
    trixie.shell("pkill -KILL -u %s -f bin/modelfleet-router" % USER)
    assert trixie.make("demo-down").returncode == 0
    trixie.assert_nothing_is_left()


def test_without_the_venv_module_it_names_the_package(trixie):
    trixie.host.run("apt-get purge --yes --quiet python3-venv python3.13-venv")
    done = trixie.make("demo", WHEELS)
    assert done.returncode
    assert "this machine lacks Python's venv module: `sudo apt install python3-venv`" in done.stdout
    trixie.assert_nothing_is_left()
