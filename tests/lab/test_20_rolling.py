"""Changes under traffic: sixteen clients at a time, a third of them long streams, every answer compared, no retries."""

import threading
import time


def test_an_edited_parameter_rolls_through_without_a_failed_request(base):
    before = base.live()
    slow = base.router_status("h2")["workers"][0]["pid"]
    with base.traffic() as tally:
        time.sleep(5)
        base.define_base(chat=["--batch-size=512"])
        run = base.start()
        run.wait_for(r"Mark what this wave changes as draining")
        base.lab.hosts["h2"].kill(slow, "STOP")                     # a router process that is slow to reload
        resume = threading.Timer(6, base.lab.hosts["h2"].kill, (slow, "CONT"))
        resume.start()
        run.ok()
        resume.join()
        time.sleep(3)
    after = base.live()
    assert sorted(after) == sorted(before)
    assert all(after[name][1] != before[name][1] for name in ("chat-0", "chat-1", "chat-2"))
    assert after["embed-0"] == before["embed-0"]
    assert tally["failed"] == 0, tally["failures"]
    assert set(tally["instances"]) == {"chat-0", "chat-1", "chat-2"}
    assert tally["streams"] >= 5 and tally["stream_seconds"][-1] >= 20


def test_a_parameter_that_the_engine_refuses_stops_the_roll_out(base):
    before = base.live()
    with base.traffic(parallel=6) as tally:
        base.define_base(chat=["--no-such-flag"])
        run = base.run()
        assert run.code != 0
        time.sleep(1)
    assert tally["failed"] == 0, tally["failures"]
    after = base.live()
    assert sorted(name for name in before if after[name][1] == before[name][1]) == ["chat-1", "chat-2", "embed-0"]
    assert base.serving("h1") == {"chat-1": "active", "chat-2": "active", "embed-0": "active"}
    assert "invalid argument: --no-such-flag" in run.output
    assert "This version of llama.cpp does not know --no-such-flag: correct `parameters` in the definition" in run.output
    base.define_base()
    base.deploy()
    assert base.serving("h1") == {"chat-0": "active", "chat-1": "active", "chat-2": "active", "embed-0": "active"}
