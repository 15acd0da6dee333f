"""Runs the project's playbooks on the demo's inventory, as a person would, and shows how far they are."""

from __future__ import annotations

import json
import os
import subprocess

from .console import Trouble
from .environment import pip_environment
from .place import CHECKOUT, LOGS, VENV

INVENTORY = "inventories/demo/hosts"


class Run:
    """``texts``: what its debug tasks showed; ``changed``: how many tasks changed something; ``failures``: messages of tasks that failed."""

    def __init__(self):
        self.texts, self.changed, self.failures = [], 0, []


def run(playbook, *arguments, wheels, show):
    """Runs a playbook to its end and returns the Run; ``show`` is called with the name of each task. Raises Trouble when it fails.

    Ansible's own output goes to .demo/logs/NAME.log.
    """
    log = LOGS / ("%s.log" % os.path.basename(playbook).removesuffix(".yml"))
    LOGS.mkdir(exist_ok=True)
    events, writing = os.pipe()
    env = {
        **os.environ,
        **pip_environment(wheels),
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "demo" / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "demo_events",
        "ANSIBLE_NOCOLOR": "1",
        "DEMO_EVENTS": str(writing),
    }
    made = Run()
    with open(log, "wb") as output, open(events) as lines:
        process = subprocess.Popen(
            [VENV / "bin/ansible-playbook", "-i", INVENTORY, playbook, *arguments],
            cwd=CHECKOUT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, pass_fds=[writing],
        )  # fmt: skip
        os.close(writing)
        try:
            for line in lines:
                event = json.loads(line)
                _note(made, event, show)
                if "changed" in event:
                    break       # the last one; what the run left running may hold the descriptor open
        except KeyboardInterrupt:
            process.terminate()
            raise
        finally:
            process.wait()
    if process.returncode:
        reasons = made.failures[-1:] or log.read_text(errors="replace").strip().splitlines()[-5:]
        raise Trouble("%s failed: %s\nIts whole output is in %s." % (playbook, "\n".join(reasons), log.relative_to(CHECKOUT)))
    return made


def _note(made, event, show):
    if "task" in event:
        show(event["task"])
    elif "text" in event:
        made.texts.append(event["text"])
    elif "failed" in event:
        made.failures.append(event["failed"])
    else:
        made.changed = event["changed"]
