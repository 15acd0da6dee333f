# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long commands: the lease goes on meanwhile, and what went wrong is told."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records import lease
from ansible_collections.modelfleet.serving.plugins.module_utils.host.records.fleet_file import FleetFiles
from conftest import ROOT

MODULE = os.path.join(ROOT, "plugins", "modules", "leased_command.py")
# Ends as soon as the lease has been renewed twice after its start.
WATCH = """
import json, os, sys, time
open(sys.argv[2], "w").close()
seen = set()
while len(seen) < 3:
    seen.add(json.load(open(sys.argv[1]))["expires"])
    time.sleep(0.05)
print(len(seen), os.environ["OURS"])
"""


@pytest.fixture
def files(tmp_path):
    files = FleetFiles(str(tmp_path), "demo")
    files.write_lease(lease.take(None, "mine", "me", 0, 100)[0])
    return files


def call(tmp_path, argv, run="mine", check=False):
    arguments = {"fleet": "demo", "run": run, "argv": argv, "environment": {"OURS": "set"}, "data_dir": str(tmp_path), "lease_ttl": 3,
                 "_ansible_check_mode": check}
    done = subprocess.run([sys.executable, MODULE], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), text=True, capture_output=True,
                          timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, umask=0o077)
    return json.loads(done.stdout)


def test_the_lease_is_renewed_while_the_command_runs(tmp_path, files):
    made = tmp_path / "made"
    result = call(tmp_path, [sys.executable, "-c", WATCH, files.directory + "/lease.json", str(made)])
    assert result["changed"] and result["stdout"] == "3 set\n"
    assert stat.S_IMODE(made.stat().st_mode) == 0o644, "the service user reads what was installed"


def test_a_lease_of_another_run_is_left_alone(tmp_path, files):
    before = files.lease()
    assert call(tmp_path, [sys.executable, "-c", "pass"], run="other")["changed"]
    assert files.lease() == before


def test_what_went_wrong(tmp_path, files):
    result = call(tmp_path, [sys.executable, "-c", "import sys; print('out'); sys.exit('err')"])
    assert result["failed"] and result["msg"] == "%s ended with exit code 1" % sys.executable
    assert (result["stdout"], result["stderr"]) == ("out\n", "err\n")
    assert "could not be run" in call(tmp_path, ["/no/such/program"])["msg"]


def test_check_mode_runs_nothing(tmp_path, files):
    made = tmp_path / "made"
    assert call(tmp_path, ["/bin/touch", str(made)], check=True)["changed"] and not made.exists()
