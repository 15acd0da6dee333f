"""`make demo`: two replicas of a tiny model and the router on this machine, as an ordinary user, with everything below .demo/.

    python3 -B -m demo.up          in the checkout; PORT and DEMO_WHEELS of the environment are what `make demo PORT=8081` gives

Run again, it changes only what differs. `make demo-down` (demo/down.py) removes it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

from . import environment, machine, playbook, question, recite
from .console import Steps, Trouble, main
from .place import CHECKOUT, DEMO, FLEET, LINK, alone, instances, read_settings, write_settings

PORT = 8080
MODEL = DEMO / "models" / "hello.gguf"
MOST_QUESTIONS = 20

NEXT = """
What to try next

  Ask it yourself       curl http://127.0.0.1:{port}/v1/chat/completions -H 'Content-Type: application/json' \\
                          -d '{{"model": "hello", "messages": [{{"role": "user", "content": "Hello"}}]}}'
  Scale it              write `replicas: 3` into deployments/demo/hello.yml, then `make demo`
  See a plan only       .demo/venv/bin/ansible-playbook -i inventories/demo/hosts deploy.yml --check --diff
  Kill a replica        kill -9 {pid}       ({instance}; ask again at once, then look at the status: it comes back by itself)
  See the status        .demo/venv/bin/ansible-playbook -i inventories/demo/hosts playbooks/status.yml
  Look at the metrics   curl http://127.0.0.1:{metrics}/metrics
  Read the logs         ls .demo/logs
  Remove everything     make demo-down
"""


@alone()
def up():
    begun = time.monotonic()
    settings = read_settings()
    port = _port(os.environ.get("PORT") or settings.get("port") or PORT)
    wheels = _wheels(os.environ.get("DEMO_WHEELS") or settings.get("wheels") or "")
    steps = Steps(7)
    print("Two replicas of a tiny model and a router on this machine. Everything goes below .demo/; `make demo-down` removes it.\n")
    with steps("Look at this machine"):
        steps.say(machine.check(port))
        DEMO.mkdir(exist_ok=True)
        write_settings(port, wheels)
        _link()
    with steps("Make a Python environment for Ansible"):
        steps.say(environment.make(wheels, steps.progress))
    with steps("Make a model"):
        steps.say(_model())
    with steps("Deploy it: ansible-playbook -i inventories/demo/hosts deploy.yml"):
        deployed = playbook.run("deploy.yml", wheels=wheels, show=steps.progress)
        for text in deployed.texts:
            steps.say(text)
        if not deployed.changed:
            steps.say("Nothing changed: the fleet is what deployments/demo says.")
    with steps("Ask it: %s" % question.PROMPT):
        _questions(steps, port)
    with steps("Ask again, and let it stream"):
        _stream(port)
    with steps("Look at the status: ansible-playbook -i inventories/demo/hosts playbooks/status.yml"):
        steps.say("\n".join(playbook.run("playbooks/status.yml", wheels=wheels, show=steps.progress).texts))
    instance, pid = _replica()
    print(NEXT.format(port=port, metrics=port + 1, pid=pid, instance=instance))
    print("The demo is up after %.0f s." % (time.monotonic() - begun))


def _port(text):
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 1024 <= port <= 65534:
        raise Trouble("PORT must be a number from 1024 to 65534, not %s: `make demo PORT=8081`" % text)
    return port


def _wheels(text):
    folder = os.path.abspath(os.path.expanduser(text)) if text else ""
    if folder and not os.path.isdir(folder):
        raise Trouble("the folder of wheels %s is not there: name one with `make demo DEMO_WHEELS=/path`, or none for the package index" % folder)
    return folder


def _link():
    """Lets Ansible find this checkout as a collection."""
    if not LINK.is_symlink():
        done = subprocess.run(["make", "--silent", "link"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble("`make link` failed: %s" % done.stderr.strip())


def _model():
    if not MODEL.exists():
        MODEL.parent.mkdir(exist_ok=True)
        recite.write_model(MODEL)
    return "%s, %d kB of generated weights: whatever it is asked, it recites one sentence" % (MODEL.relative_to(CHECKOUT), MODEL.stat().st_size // 1000)


def _questions(steps, port):
    """Asks until every replica has answered, which takes as many questions as there are replicas unless some were busy."""
    before = question.answered(port)
    for number in range(MOST_QUESTIONS):
        answer, seconds = question.ask(port)
        if not number:
            steps.say("%s (%.2f s)" % (answer, seconds))
        counts = {name: count - before.get(name, 0) for name, count in question.answered(port).items()}
        if all(counts.get(name) for name in instances()):
            break
    steps.say("Asked %d times: %s" % (number + 1, ", ".join("%s answered %d" % entry for entry in sorted(counts.items()) if entry[1])))


def _stream(port):
    times = []
    print("    ", end="")
    for piece, seconds in question.stream(port):
        print(piece, end="", flush=True)
        times.append(seconds)
    print("\n    %d pieces, the first after %.0f ms, the last after %.0f ms" % (len(times), 1000 * times[0], 1000 * times[-1]))


def _replica():
    """(name, pid) of the last replica."""
    name = instances()[-1]
    state = json.loads((DEMO / "state" / ("%s.%s.json" % (FLEET, name))).read_text())
    return name, state["pid"]


if __name__ == "__main__":
    main(up)
