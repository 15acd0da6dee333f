"""The main line: one playbook puts real models on real hosts, and both routers answer the official client."""

import json

TASKS_OF_A_RUN_WITHOUT_CHANGES = 8


def test_deploy_puts_the_replicas_on_different_hosts(site):
    site.first.ok()
    live = site.live()
    assert sorted(live) == ["chat-0", "chat-1", "chat-2", "embed-0"]
    assert all(state == "active" for _host, _pid, state in live.values())
    assert len({live[instance][0] for instance in ("chat-0", "chat-1", "chat-2")}) == 3


def test_both_routers_answer_the_official_client(site):
    text = site.models["count"][1]
    for router in ("h1", "h2"):
        assert site.ask(router, lambda client: sorted(model.id for model in client.models.list())) == ["chat", "embed"]
        assert text.startswith(site.chat(router, words=8))
        assert text.startswith(site.chat(router, model="gpt-4o-mini", words=8))
        assert text.startswith(
            site.ask(router, lambda client: client.completions.create(model="chat", prompt="hello", max_tokens=6).choices[0].text).strip()
        )
        vectors = [
            site.ask(router, lambda client, text=text: client.embeddings.create(model="embed", input=text).data[0].embedding)
            for text in ("one", "two")
        ]
        assert vectors[0] != vectors[1] and len(vectors[0]) == 256


def test_a_stream_comes_in_pieces_and_ends_with_the_whole_text(site):
    def stream(client):
        answer = client.chat.completions.create(model="chat", stream=True, messages=[{"role": "user", "content": "count"}])
        return [chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices]

    pieces = site.ask("h2", stream)
    assert len(pieces) > 100 and "".join(pieces) == site.models["count"][1]


def test_both_routers_run_two_processes_that_applied_the_registry(site):
    for router in ("h1", "h2"):
        status = site.router_status(router)
        registry = site.registry(router)
        assert len(status["workers"]) == 2
        assert {(worker["generation"], worker["revision"]) for worker in status["workers"]} == {(registry["generation"], registry["revision"])}


def test_engines_demand_their_key(site):
    entry = next(entry for entry in site.registry("h1")["instances"] if entry["id"] == "chat-0")
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
    status, _text = site.lab.controller.http(entry["url"] + "/v1/chat/completions", body)
    assert status == 401


def test_no_secret_is_on_a_command_line_or_in_a_record(site):
    for instance, (host, pid, _state) in site.live().items():
        machine = site.lab.hosts[host]
        key = machine.run("cat /var/lib/modelfleet/credentials/lab.%s.key" % instance.rsplit("-", 1)[0]).stdout.strip()
        assert len(key) == 64
        assert key not in machine.run("tr '\\0' ' ' < /proc/%d/cmdline" % pid).stdout
        assert key not in json.dumps(site.record(instance))


def test_again_changes_nothing_in_few_tasks(site):
    before = site.live()
    again = site.deploy()
    assert again.changed == 0
    assert site.live() == before
    for host, numbers in again.recap.items():
        assert numbers["ok"] + numbers["skipped"] <= TASKS_OF_A_RUN_WITHOUT_CHANGES, host


def test_check_and_diff_show_the_plan_and_change_nothing(site):
    site.define_chat(2)
    before = site.live()
    check = site.deploy("--check", "--diff")
    assert "chat-2" in check.output and "1 to stop" in check.output
    assert check.changed == 1, "drift is visible as a change"
    assert site.live() == before
    site.define_base()


def test_status_tells_what_runs(site):
    output = site.run(playbook="playbooks/status.yml").ok().output
    for word in ("h1", "h4", "chat-0", "embed-0", "active"):
        assert word in output


def test_an_edited_parameter_restarts_only_its_deployment(base):
    before = base.live()
    base.define("embed", "embed", categories=["embedding"], parameters=["--ctx-size=2048"])
    base.deploy()
    after = base.live()
    assert {name: after[name] for name in after if name != "embed-0"} == {name: before[name] for name in before if name != "embed-0"}
    assert after["embed-0"][0] == before["embed-0"][0] and after["embed-0"][1] != before["embed-0"][1]
    assert "2048" in base.record("embed-0")["spec"]["argv"]


def test_scale_down_to_one_and_back(base):
    before = base.live()
    base.define_chat(1)
    base.deploy()
    one = base.live()
    assert sorted(one) == ["chat-0", "embed-0"] and one["chat-0"] == before["chat-0"]
    assert base.serving("h1") == {"chat-0": "active", "embed-0": "active"}
    base.define_base()
    base.deploy()
    three = base.live()
    assert sorted(three) == sorted(before) and three["chat-0"] == before["chat-0"]
    assert len({three[name][0] for name in ("chat-0", "chat-1", "chat-2")}) == 3


def test_remove_one_instance_and_the_next_deploy_brings_it_back(base):
    base.run(playbook="playbooks/remove.yml", extra={"modelfleet_remove_instances": "chat-1"}).ok()
    assert sorted(base.live()) == ["chat-0", "chat-2", "embed-0"]
    assert sorted(base.serving("h2")) == ["chat-0", "chat-2", "embed-0"]
    base.deploy()
    assert sorted(base.live()) == ["chat-0", "chat-1", "chat-2", "embed-0"]
