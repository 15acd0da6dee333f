"""The other engines, controllers and ways to run it."""

import subprocess
import sys

from tests.lab.lab.store import ROOT


def test_a_llama_server_that_is_already_on_the_hosts(base):
    (base.deployments / "own.yml").write_text(
        "name: own\nsource: {path: /srv/models/hello.gguf}\nbackend_executable: /opt/llama.cpp/bin/llama-server\nparameters: [--ctx-size=1024]\n"
    )
    base.deploy()
    assert base.chat("h1", model="own", words=3) == "Hello from a"
    entry = next(entry for entry in base.registry("h2")["instances"] if entry["id"] == "own-0")
    body = {"model": "own", "messages": [{"role": "user", "content": "hello"}]}
    assert base.lab.controller.http(entry["url"] + "/v1/chat/completions", body)[0] == 401
    assert base.deploy().changed == 0


def test_a_secret_reaches_the_engine_through_a_file_and_its_rotation_is_a_change(base):
    base.define("hidden", "hello", secrets={"SECRET_OF_THE_TEST": "token"})
    first = {"modelfleet_secrets": {"token": "the first value of it"}}
    base.deploy(extra=first)
    host, pid, _state = base.live()["hidden-0"]
    machine = base.lab.hosts[host]
    assert "SECRET_OF_THE_TEST=the first value of it" in machine.run("tr '\\0' '\\n' < /proc/%d/environ" % pid).stdout
    assert "the first value" not in machine.run("tr '\\0' ' ' < /proc/%d/cmdline; cat /var/lib/modelfleet/records/*" % pid).stdout
    assert machine.run("stat --format=%a:%U /var/lib/modelfleet/secrets/lab.hidden-0.json").stdout.strip() == "600:modelfleet"
    assert base.deploy(extra=first).changed == 0
    rotated = base.deploy(extra={"modelfleet_secrets": {"token": "the second value of it"}})
    assert base.live()["hidden-0"][1] != pid
    assert "the second value" not in rotated.output
    base.define_base()
    base.deploy()
    assert machine.run("ls /var/lib/modelfleet/secrets").stdout == ""


def test_gpus_that_the_inventory_declares_are_booked(base):
    base.define("card", "hello", replicas=3, placement={"host_labels": {"card": "yes"}})
    cards = {"modelfleet_labels": {"card": "yes"}, "modelfleet_gpus": [{"name": "planned", "memory": "4GiB"}, {"memory": "4GiB"}]}
    inventory = base.lab.write_inventory("cards.yml", host_vars={"h3": cards})
    base.deploy(inventory=inventory)
    booked = [base.record("card-%d" % number) for number in range(3)]
    assert {uuid for record in booked for uuid in record["gpus"]} == {"declared:h3:0", "declared:h3:1"}
    assert all(bytes_ > 0 for record in booked for bytes_ in record["claim"]["gpus"].values())
    assert base.chat("h2", model="card", words=3) == "Hello from a"
    assert base.deploy(inventory=inventory).changed == 0


def test_the_oldest_ansible_core(base):
    """ansible-core 2.16 cannot manage Python 3.13, so only the hosts with Debian 12."""
    inventory = base.lab.write_inventory("debian12.yml", hosts=["h1", "h2", "h3"])
    base.define("old", "hello", replicas=2)
    run = base.deploy(inventory=inventory, version="2.16")
    assert base.chat("h1", model="old", words=3) == "Hello from a"
    assert "Fleet lab" in run.output
    assert base.deploy(inventory=inventory, version="2.16").changed == 0


def test_the_installed_collection_does_the_same(base, tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", tmp_path, ROOT], check=True, capture_output=True, text=True
    )
    tarball = next(tmp_path.glob("modelfleet-serving-*.tar.gz"))
    subprocess.run(
        [sys.executable, "-m", "ansible", "galaxy", "collection", "install", "--force", tarball, "-p", tmp_path / "collections"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "Created collection" in built.stdout
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
    run = base.run(playbook="modelfleet.serving.deploy", env=environment, cwd=tmp_path)
    assert run.ok().changed == 0 and "Nothing to change" in run.output


def test_remove_all(base):
    base.run(playbook="playbooks/remove.yml", extra={"modelfleet_remove_all": "yes"}).ok()
    assert base.live() == {}
    assert base.serving("h1") == base.serving("h2") == {}
    status, _text = base.lab.controller.http(base.url("h1") + "/models")
    assert status == 200
