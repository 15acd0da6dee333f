"""The lab by hand, as root: python -m tests.lab COMMAND (see tests/lab/README.md)."""

from __future__ import annotations

import argparse
import os
import sys

from .lab import wheels
from .lab.lab import ROUTERS, SUITES, Lab, folders, missing, remove_leftovers
from .lab.store import LabError
from .models import recite


def up(given):
    suites = [SUITES[number % len(SUITES)] for number in range(given.hosts)]
    lab = Lab.create(given.lab, suites, ROUTERS)
    recite.write_model(lab.models / "hello.gguf")
    print("inventory: %s" % lab.write_inventory())
    for host in lab.hosts.values():
        print("%s  %s  %s" % (host.name, host.address, host.suite))


def inventory(given):
    print(Lab.open(given.lab).write_inventory().read_text(), end="")


def run(given):
    words = Lab.open(given.lab).controller.words(*given.words)
    os.execvp(words[0], words)


def on(given):
    done = Lab.open(given.lab).hosts[given.host].run(*given.words, check=False, timeout=None)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def fault(given):
    lab = Lab.open(given.lab)
    actions = {"power-off": "power_off", "power-on": "power_on", "cut": "cut", "mend": "mend"}
    for name in given.hosts:
        getattr(lab.hosts[name], actions[given.command])()


def partition(given):
    Lab.open(given.lab).partition(given.hosts)


def heal(given):
    Lab.open(given.lab).heal()


def down(given):
    remove_leftovers()
    if given.lab in [folder.name for folder in folders()]:
        Lab.open(given.lab).remove()


def show(given):
    for folder in folders():
        lab = Lab.open(folder.name)
        states = ("%s (%s)" % (host.name, "up" if host.leader() else "off") for host in lab.hosts.values())
        print("%s: %s" % (folder.name, " ".join(states)))


def wheel_folder(given):
    print(wheels.folder())


def arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--lab", default="hand", metavar="NAME", help="which lab (default: hand)")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name, function, text, *positionals):
        command = commands.add_parser(name, help=text)
        command.set_defaults(function=function)
        for positional, options in positionals:
            command.add_argument(positional, **options)

    add("up", up, "boot a lab of N hosts (default 4)", ("hosts", {"type": int, "nargs": "?", "default": 4, "metavar": "N"}))
    add("inventory", inventory, "write and print its inventory")
    add("run", run, "run a command where the controller is", ("words", {"nargs": argparse.REMAINDER, "metavar": "CMD"}))
    add("on", on, "run a command on a host, as root", ("host", {}), ("words", {"nargs": argparse.REMAINDER, "metavar": "CMD"}))
    hosts = ("hosts", {"nargs": "+", "metavar": "HOST"})
    add("power-off", fault, "as if the power of hosts failed", hosts)
    add("power-on", fault, "boot hosts again", hosts)
    add("cut", fault, "pull the network cable of hosts", hosts)
    add("mend", fault, "put the network cable back", hosts)
    add("partition", partition, "cut some hosts off from all others", hosts)
    add("heal", heal, "end the partition")
    add("show", show, "list the labs of this machine")
    add("wheels", wheel_folder, "make the folder of wheels and print its path")
    add("down", down, "remove the lab, and what dead test runs left")
    return parser.parse_args()


def main():
    given = arguments()
    lack = missing()
    if lack:
        return lack
    try:
        return given.function(given)
    except LabError as error:
        return str(error)
    except KeyError as error:
        return "no host %s in the lab" % error


if __name__ == "__main__":
    sys.exit(main())
