"""What a user reads when something is wrong, as golden texts: tests/lab/golden/<case>.txt.

Numbers that differ from run to run are replaced by N, amounts of memory by SIZE. MODELFLEET_WRITE_GOLDEN=1 writes the files anew: read what
changed before you commit it.
"""

import os
import re
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def read_by_user(output):
    """The messages of the failed tasks and of the plan, without what differs from run to run."""
    blocks, block, indent = [], None, 0
    for line in output.splitlines():
        if re.match(r"^\s+msg: ", line):
            indent = len(line) - len(line.lstrip())
            block = [re.sub(r"^\|-$", "", line.strip()[5:])]        # a block of text, as YAML begins it
            blocks.append(block)
        elif block is not None and (not line.strip() or len(line) - len(line.lstrip()) > indent):
            block.append(line[indent + 4:].rstrip())
        else:
            block = None
    text = "\n\n".join("\n".join(lines).strip() for lines in blocks)
    for pattern, with_what in (
        (r"\bpid \d+", "pid N"), (r"\bport 41\d\d\d\b", "port N"), (r"\d+\.\d\d\.\d\d\d\.\d\d\d", "T"),
        (r"\d+ bytes", "N bytes"), (r"[\d.]+ [GM]iB", "SIZE"), (r"generation \d+", "generation N"),
        (r"-> \d+", "-> N"), (r"/\S*/site/deployments", "DEPLOYMENTS"), (r"2026\.\d+\.\d+(-[0-9a-f]{8})?", "VERSION"),
    ):  # fmt: skip
        text = re.sub(pattern, with_what, text)
    return text + "\n"


def compare(case, output):
    path, text = GOLDEN / ("%s.txt" % case), read_by_user(output)
    if os.environ.get("MODELFLEET_WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_typos_in_three_files(base):
    before = base.live()
    (base.deployments / "bad1.yml").write_text("name: bad1\nsource: {path: /srv/models/hello.gguf}\nplacement:\n  gpu: ['h1:0']\nreplicas: two\n")
    (base.deployments / "bad2.yml").write_text("name: no\nsource: {paht: /srv/models/hello.gguf}\nbackend_version: 0.10\n")
    (base.deployments / "bad3.yml").write_text("name: chat\nsource: {path: /srv/models/hello.gguf}\nplacement: {gpus: ['h5:0']}\n  env: x\n")
    run = base.run()
    assert run.code != 0 and run.changed == 0 and base.live() == before
    assert run.tasks[-1][0].endswith("Read the definitions"), "nothing else runs after an error"
    compare("typos", run.output)


def test_a_model_path_that_exists_on_no_host(base):
    before = base.live()
    (base.deployments / "lost.yml").write_text("name: lost\nsource: {path: /srv/models/lost.gguf}\n")
    run = base.deploy()
    assert base.live() == before
    compare("lost_model", run.output)


def test_a_model_that_does_not_fit_anywhere(base):
    base.define("huge", "hello")
    inventory = base.lab.write_inventory("reserved.yml", extra={"modelfleet_reserved_ram": "4TiB"})
    compare("does_not_fit", base.deploy(inventory=inventory).output)


def test_a_full_disk(base):
    host = base.lab.hosts["h3"]
    before = base.live()
    host.limit_disk("/var/lib/modelfleet/records", "64k")
    try:
        with host.full_disk("/var/lib/modelfleet/records"):
            base.define("more", "hello", placement={"host_labels": {"disk": "full"}})
            inventory = base.lab.write_inventory("full.yml", host_vars={"h3": {"modelfleet_labels": {"disk": "full"}}})
            run = base.run(inventory=inventory)
            assert run.code != 0
            assert {name: base.live()[name] for name in before} == before
            compare("full_disk", run.output)
    finally:
        host.unlimit_disk("/var/lib/modelfleet/records")


def test_a_port_that_was_taken_after_the_plan(base):
    base.define("more", "hello", placement={"host_labels": {"only": "this"}})
    inventory = base.lab.write_inventory("only.yml", host_vars={"h3": {"modelfleet_labels": {"only": "this"}}})
    ports = [base.record(name)["port"] for name, (host, _pid, _state) in base.live().items() if host == "h3"]
    port = next(free for free in range(41000, 42000) if free not in ports)
    run = base.start(inventory=inventory)
    run.wait_for(r"TASK \[modelfleet.serving.fleet : Show the plan\]")
    with base.lab.hosts["h3"].occupied_port(port):
        assert run.wait().code != 0
    compare("port_taken", run.output)
    assert "more-0" in base.deploy(inventory=inventory).output and base.live()["more-0"][2] == "active"


def test_a_shared_library_that_is_missing(base):
    base.define("library", "hello", backend_executable="/opt/llama.cpp/bin/bare/llama-server", placement={"host_labels": {"only": "this"}})
    inventory = base.lab.write_inventory("only.yml", host_vars={"h3": {"modelfleet_labels": {"only": "this"}}})
    run = base.run(inventory=inventory)
    assert run.code != 0
    compare("missing_library", run.output)
