"""The lab itself: its hosts are real, separate, closed off, and its faults are faults."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.lab.lab import remove_leftovers
from tests.lab.lab.network import namespaces
from tests.lab.lab.playbook import run_playbook, start_playbook
from tests.lab.lab.store import ROOT

BUILD = {"backend": "llama_cpp", "build": "lab", "kind": "wheel", "packages": [], "extra_index": "", "disk_gb": 0.5}


def reaches(lab, host):
    """Whether the controller can open a connection to the host's SSH port."""
    words = ["bash", "-c", "exec 3<>/dev/tcp/%s/22" % lab.hosts[host].address]
    return lab.controller.run("timeout", "1", *words).returncode == 0


def test_hosts_are_booted_and_different(lab):
    systemd = {name: host.run("systemctl --version").stdout.split()[1] for name, host in lab.hosts.items()}
    assert systemd == {"h1": "252", "h2": "252", "h3": "252", "h4": "257"}
    for inside in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/hostname"):
        assert len({host.run("cat", inside).stdout for host in lab.hosts.values()}) == 4, inside


def test_units_of_one_name_on_two_hosts_do_not_touch_each_other(lab):
    hosts = [lab.hosts["h1"], lab.hosts["h2"]]
    for host in hosts:
        host.run("systemd-run --quiet --unit=same sleep 1000")
    hosts[0].run("systemctl stop same")
    assert [host.run("systemctl is-active same", check=False).stdout.strip() for host in hosts] == ["inactive", "active"]
    hosts[1].run("systemctl stop same")


def test_an_ordinary_user_with_sudo_and_no_root_login(lab):
    host = lab.hosts["h1"]
    assert host.ssh("id -un; sudo -n id -un").stdout.split() == ["admin", "root"]
    assert host.ssh("true", user="root", check=False).returncode == 255


def test_no_way_out(lab):
    for run in (lab.hosts["h1"].run, lab.hosts["h4"].run):
        assert run("ip route get 192.0.2.1", check=False).returncode
    assert lab.controller.run("ip", "route", "get", "192.0.2.1").returncode


def test_ansible_reaches_every_host(lab, tmp_path):
    book = tmp_path / "who.yml"
    tasks = [{"name": "Ask", "ansible.builtin.command": "id -un"}, {"name": "Never", "ansible.builtin.meta": "noop", "when": False}]
    book.write_text(json.dumps([{"hosts": "all", "become": True, "gather_facts": False, "tasks": tasks}]))
    run = run_playbook(lab, book).ok()
    assert {host: (numbers["ok"], numbers["changed"]) for host, numbers in run.recap.items()} == {host: (1, 1) for host in lab.hosts}
    assert run.changed == 4
    assert run.tasks_of("h4") == ["Ask"]


def test_a_run_can_be_killed_after_a_task(lab, tmp_path):
    book = tmp_path / "slow.yml"
    tasks = [{"name": name, "ansible.builtin.command": line} for name, line in (("First", "true"), ("Second", "sleep 100"))]
    book.write_text(json.dumps([{"hosts": "h1", "gather_facts": False, "tasks": tasks}]))
    run = start_playbook(lab, book, env={"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "1"})
    run.wait_for(r"^TASK \[Second\]")
    lab.hosts["h1"].run("until pgrep -x sleep; do sleep 0.1; done", timeout=20)
    run.kill()
    assert run.code == -9
    assert run.recap == {}
    lab.hosts["h1"].run("pkill -x sleep")       # what a host does already it goes on doing, as after a real failure


def test_power_failure_and_return(lab):
    host = lab.hosts["h4"]
    host.run("echo kept > /root/note; sync")
    before = host.run("cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic --value").stdout
    host.power_off()
    assert not reaches(lab, "h4")
    assert host.leader() is None
    host.power_on()
    assert host.ssh("sudo cat /root/note").stdout == "kept\n"
    assert host.run("cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic --value").stdout != before


def test_a_cut_cable(lab):
    lab.hosts["h3"].cut()
    assert [reaches(lab, name) for name in ("h2", "h3")] == [True, False]
    lab.hosts["h3"].mend()
    assert reaches(lab, "h3")


def test_a_partition(lab):
    lab.partition(["h3", "h4"])
    try:
        assert [reaches(lab, name) for name in lab.hosts] == [True, True, False, False]
        knock = "timeout 1 bash -c 'exec 3<>/dev/tcp/%s/22'"
        answers = [
            lab.hosts[one].run(knock % lab.hosts[two].address, check=False).returncode == 0
            for one, two in (("h1", "h2"), ("h1", "h3"), ("h3", "h4"))
        ]
        assert answers == [True, False, True]
        assert lab.hosts["h3"].ssh("hostname").stdout == "h3\n"     # from the other controller
    finally:
        lab.heal()
    assert all(reaches(lab, name) for name in lab.hosts)


def test_what_a_killed_test_run_left_is_removed():
    program = """
import os
from tests.lab.lab.lab import Lab
Lab.create("left%d" % os.getpid(), ["bookworm"], owner=os.getpid())
os.kill(os.getpid(), 9)
"""
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=120)
    assert process.returncode == -9
    name = "left%d" % next(int(namespace[7:]) for namespace in namespaces() if re.fullmatch(r"mf-left\d+", namespace))
    assert name in remove_leftovers()
    assert not [namespace for namespace in namespaces() if name in namespace]
    assert name not in Path("/proc/mounts").read_text()


def test_a_full_disk(lab):
    host = lab.hosts["h2"]
    host.run("mkdir -p /srv/small && echo old > /srv/small/file")
    host.limit_disk("/srv/small", "4m")
    with host.full_disk("/srv/small"):
        done = host.run("cp /etc/hostname /srv/small/other", check=False)
        assert "No space left on device" in done.stderr
        assert host.run("cat /srv/small/file").stdout == "old\n"
    host.run("echo new > /srv/small/other")
    host.unlimit_disk("/srv/small")
    assert host.run("ls /srv/small").stdout.split() == ["file"]


def test_an_occupied_port(lab):
    host = lab.hosts["h1"]
    with host.occupied_port(41000) as pid:
        assert ":41000" in host.run("ss -Hltnp | grep pid=%d" % pid).stdout
    assert ":41000" not in host.run("ss -Hltn").stdout


@pytest.mark.parametrize("name", ["h1", "h4"])
def test_a_real_llama_server_serves_a_generated_model(lab, models, name):
    host, (path, text) = lab.hosts[name], models["hello"]
    host.run("systemd-run --quiet --unit=engine /opt/llama.cpp/bin/llama-server --model %s --host %s --port 41001" % (path, host.address))
    url = "http://%s:41001" % host.address
    end = time.monotonic() + 20
    while True:
        try:
            if lab.controller.http(url + "/health")[0] == 200:
                break
        except OSError:
            assert time.monotonic() < end, host.run("journalctl -u engine").stdout
        time.sleep(0.1)
    status, answer = lab.controller.http(url + "/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]})
    assert (status, json.loads(answer)["choices"][0]["message"]["content"]) == (200, text)
    host.run("systemctl stop engine")


def test_the_bare_program_misses_its_library(lab):
    done = lab.hosts["h1"].run("/opt/llama.cpp/bin/bare/llama-server", "--version", check=False)
    assert "error while loading shared libraries: libllama-server-impl.so" in done.stderr


def backend_book(folder, hosts, **variables):
    report = {"python": "/usr/bin/python3", "python_version": "3"}
    given = {"modelfleet_data_dir": "/opt/backend-test", "modelfleet_wheel_dir": "/opt/wheels", **variables}
    given["modelfleet_host_info"] = {"host": report}
    given.update(modelfleet_fleet="lab", modelfleet_lease_ttl=120, modelfleet_placement={"plan": {"run": "by hand"}})
    task = {"ansible.builtin.include_role": {"name": "modelfleet.serving.backend"}}
    book = folder / "backend.yml"
    book.write_text(json.dumps([{"hosts": hosts, "become": True, "gather_facts": False, "vars": given, "tasks": [task]}]))
    return book


@pytest.fixture(scope="module")
def build(lab):
    """The default build of llama.cpp, as a plan names it."""
    wheel = next(path for path in lab.hosts["h1"].binds["/opt/wheels"].iterdir() if path.name.startswith("xllamacpp-"))
    version = wheel.name.split("-")[1]
    return {**BUILD, "version": version, "requirement": "xllamacpp==%s" % version}


def test_the_backend_role_installs_once_and_repairs(lab, tmp_path, build):
    book = backend_book(tmp_path, "h2,h4", backend_install=build)
    env = "/opt/backend-test/backends/llama_cpp/lab"
    assert run_playbook(lab, book).ok().changed == 8
    assert run_playbook(lab, book).ok().changed == 0
    # As an interrupted run leaves it:
    lab.hosts["h2"].run("rm %s/.complete; truncate -s 9 %s/lib/python3.11/site-packages/xllamacpp/*.so" % (env, env))
    run = run_playbook(lab, book).ok()
    assert [run.recap[name]["changed"] for name in ("h2", "h4")] == [5, 0]
    said = lab.hosts["h2"].run("%s/bin/python %s/llama_server.py --version" % (env, env)).stdout
    assert said == "llama-server on xllamacpp %s\n" % build["version"]
    assert json.loads(lab.hosts["h2"].run("cat %s/.complete" % env).stdout) == {key: build[key] for key in ("backend", "version", "build")}


@pytest.mark.parametrize(
    "case, variables, said",
    [
        ("index", {"modelfleet_wheel_dir": ""}, "the host does not reach a package index: set modelfleet_wheel_dir"),
        ("version", {"version": "1.0"}, "the folder /opt/wheels has no wheel of xllamacpp==1.0 for Python 3: add it"),
        ("disk", {}, "the disk of /opt/backend-disk is full: free 0.5 GB there"),
        ("venv", {}, "cannot make virtual environments: install the package that brings them (Debian and Ubuntu: apt install python3-venv"),
        ("library", {}, "the system library libgomp.so.1 is missing: install the package that brings it"),
    ],
)
def test_the_backend_role_says_what_to_do(lab, tmp_path, build, case, variables, said):
    host = lab.hosts["h4"]
    install = {**build, "requirement": "xllamacpp==%s" % variables.get("version", build["version"])}
    given = {"modelfleet_data_dir": "/opt/backend-" + case, "backend_install": install, **variables}
    broken = {"venv": "/usr/lib/python3.13/ensurepip", "library": "/usr/lib/x86_64-linux-gnu/libgomp.so.1"}.get(case)
    if case == "disk":
        host.limit_disk("/opt/backend-disk", "40m")
    if broken:
        host.run("mv %s %s.away" % (broken, broken))
    try:
        run = run_playbook(lab, backend_book(tmp_path, "h4", **given))
    finally:
        if broken:
            host.run("mv %s.away %s" % (broken, broken))
    assert run.recap["h4"]["failed"] == 1
    assert said in " ".join(run.output.split()), run.tail()
