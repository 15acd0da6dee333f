"""vLLM on the CPU: beside llama.cpp on the same declared cards, and changed under traffic while streams go on."""

import json

import pytest

from tests.lab.lab import vllm_wheels
from tests.lab.models import recite, recite_safetensors

WORDS = 400
OLD, NEW = vllm_wheels.VERSIONS
CARDS = {"modelfleet_labels": {"card": "yes"}, "modelfleet_gpus": [{"name": "planned", "memory": "8GiB"}, {"name": "planned", "memory": "8GiB"}]}
# One thread each, anywhere: engines that all bind themselves to the same cores of a small machine only hinder each other.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


class Story:
    """The deployment `story` on h3: two replicas of a model that recites slowly."""

    def __init__(self, site):
        self.site = site
        self.inventory = site.lab.write_inventory("vllm.yml", host_vars={"h3": CARDS})

    def define(self, version, *parameters):
        self.site.define("story", "story", replicas=2, backend_version=version, env=ENVIRONMENT, parameters=["--max-model-len=2k", *parameters],
                         placement={"host_labels": {"card": "yes"}})  # fmt: skip

    def deploy(self):
        """Unpacking and compiling 3 GB takes a minute, on a busy machine many."""
        return self.site.start(inventory=self.inventory, extra={"modelfleet_wheel_dir": "/opt/vllm-wheels"}).wait(1500).ok()


@pytest.fixture(scope="module")
def story(site):
    vllm_wheels.fill()
    vllm_wheels.install_uv(site.lab.hosts["h3"])
    text = recite_safetensors.write_model(site.lab.models / "story", recite.counting(WORDS), **recite_safetensors.SLOW)
    site.models["story"] = ("/srv/models/story", text)
    site.define_base()
    made = Story(site)
    made.define(OLD)
    site.define("card", "hello", replicas=2, placement={"host_labels": {"card": "yes"}})
    made.first = made.deploy()
    return made


def test_both_engines_share_the_declared_cards(story):
    site = story.site
    live = site.live()
    assert [live[name][0] for name in ("story-0", "story-1", "card-0", "card-1")] == ["h3"] * 4
    for backend in ("story", "card"):
        records = [site.record("%s-%d" % (backend, number)) for number in range(2)]
        assert {uuid for record in records for uuid in record["gpus"]} == {"declared:h3:0", "declared:h3:1"}
        assert all(size > 0 for record in records for size in record["claim"]["gpus"].values())
    assert site.record("story-0")["spec"]["env"]["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert site.chat("h1", model="card", words=3) == "Hello from a"


def test_the_official_client_gets_the_text_whole_and_in_pieces(story):
    site = story.site
    text = site.models["story"][1]
    assert text.startswith(site.chat("h1", model="story", words=20).strip())

    def stream(client):
        answer = client.chat.completions.create(model="story", stream=True, messages=[{"role": "user", "content": "count"}])
        return [chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices]

    pieces = site.ask("h2", stream)
    assert len(pieces) > WORDS // 4 and " ".join("".join(pieces).split()) == text


def test_an_engine_answers_nobody_without_its_key(story):
    site = story.site
    entry = next(entry for entry in site.registry("h1")["instances"] if entry["id"] == "story-0")
    body = {"model": "story", "max_tokens": 1, "prompt": "hello", "messages": [{"role": "user", "content": "hello"}]}
    for path in ("/v1/chat/completions", "/invocations", "/tokenize"):
        assert site.lab.controller.http(entry["url"] + path, body)[0] == 401, path
    assert site.lab.controller.http(entry["url"] + "/health")[0] == 200
    host, pid, _state = site.live()["story-0"]
    machine = site.lab.hosts[host]
    key = machine.run("cat /var/lib/modelfleet/credentials/lab.story.key").stdout.strip()
    assert len(key) == 64 and key not in machine.run("tr '\\0' ' ' < /proc/%d/cmdline" % pid).stdout + json.dumps(site.record("story-0"))


def test_again_changes_nothing(story):
    before = story.site.live()
    assert story.deploy().changed == 0
    assert story.site.live() == before


def test_an_edit_and_a_new_version_roll_through_without_a_failed_request(story):
    site = story.site
    before = site.live()
    with site.traffic(model="story", text="story", parallel=3) as tally:
        story.define(OLD, "--max-num-seqs=64")
        story.deploy()
        edited = site.live()
        assert [entry["capacity"] for entry in site.registry("h2")["instances"] if entry["model"] == "story"] == [64, 64]
        story.define(NEW, "--max-num-seqs=64")
        story.deploy()
    after = site.live()
    assert tally["failed"] == 0, tally["failures"]
    assert set(tally["instances"]) == {"story-0", "story-1"} and tally["streams"] >= 5
    for name in ("story-0", "story-1"):
        assert len({live[name][1] for live in (before, edited, after)}) == 3
        assert "/%s-cpu-" % NEW in site.record(name)["spec"]["argv"][0]
    assert {name: after[name] for name in after if not name.startswith("story")} == {
        name: before[name] for name in before if not name.startswith("story")}
    builds = site.lab.hosts["h3"].run("ls /var/lib/modelfleet/backends/vllm").stdout
    assert OLD in builds and NEW in builds, "versions lie side by side"
