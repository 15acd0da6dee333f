"""`make demo-down`: stops what the demo runs and removes what it made, whatever state it is in.

First by the project's own means: playbooks/remove.yml drains and stops the replicas. Then supervisord ends, and the router with it; then
whatever still runs from .demo/ is ended, and .demo/ is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time

from . import playbook
from .console import Steps, Trouble, main
from .environment import COMPLETE
from .place import CHECKOUT, DEMO, alone, instances, read_settings, running

PATIENCE = 30
"""Seconds that supervisord gets to end what it started: the router's drain and the engines' stop, and some."""


@alone()
def down():
    if not DEMO.exists() and not running():
        print("There is no demo here: nothing to remove.")
        return
    settings = read_settings()
    steps = Steps(3)
    with steps("Stop the replicas: ansible-playbook -i inventories/demo/hosts playbooks/remove.yml -e modelfleet_remove_all=true"):
        steps.say(_remove_all(settings, steps.progress))
    with steps("Stop the router and supervisord"):
        steps.say(_stop_all(steps.progress))
    with steps("Remove .demo"):
        _remove_files(settings)
    print("\nNothing of the demo is left.")


def _remove_all(settings, show):
    if not COMPLETE.exists() or not instances():
        return "there are none"
    if not _supervisors():
        return "supervisord does not run: they are ended with the rest"
    try:
        playbook.run("playbooks/remove.yml", "-e", "modelfleet_remove_all=true", wheels=settings.get("wheels", ""), show=show)
    except Trouble as trouble:
        return "%s\nThey are ended with the rest." % trouble
    return "stopped"


def _stop_all(show):
    """Ends every process of the demo: supervisord first, so that nothing is started again."""
    ended, supervisors = len(running()), _supervisors()
    _signal(supervisors, signal.SIGTERM)
    if supervisors:
        _wait(show)
    for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        _signal(running(), number)
        _wait(show, seconds)
    left = running()
    if left:
        raise Trouble("these processes of the demo cannot be ended: %s; end them, then `make demo-down` again" % ", ".join(map(str, left)))
    return "%d processes ended" % ended


def _supervisors():
    return [pid for pid, words in running().items() if any(os.path.basename(word) == "supervisord" for word in words)]


def _signal(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            try:
                os.kill(pid, number)
            except PermissionError:
                raise Trouble("process %d of the demo belongs to another user: run `make demo-down` as that user" % pid) from None


def _wait(show, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while (left := running()) and time.monotonic() < end:
        show("%d processes are ending" % len(left))
        time.sleep(0.1)


def _remove_files(settings):
    try:
        if DEMO.exists():
            shutil.rmtree(DEMO)
        if settings.get("made_link"):
            shutil.rmtree(CHECKOUT / ".collections", ignore_errors=True)
    except PermissionError as error:
        raise Trouble("%s cannot be removed by this user: run `make demo-down` as the user who ran `make demo`" % error.filename) from None


if __name__ == "__main__":
    main(down)
