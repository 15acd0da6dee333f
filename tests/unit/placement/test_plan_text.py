# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read."""

from __future__ import annotations

from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.overview import overview
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.overview_text import overview_text
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.placement.plan import make_plan
from fleets import GIB, MIB, applied, definition, gpu, host, metadata, request

MODELS = {"big": metadata(40 * GIB, layers=30), "chat": metadata(2 * GIB), "old": metadata(), "same": metadata()}


def story():
    hosts = [host("gpu01", gpus=[gpu("gpu01", 0)]), host("gpu02", gpus=[gpu("gpu02", 0)], labels={"zone": "b"}), host("cpu01", ram=4 * GIB)]
    asked = request([definition("chat", 3), definition("old"), definition("same")], hosts, routers=["gpu01"], model=MODELS)
    asked = applied(make_plan(asked), asked)
    changed = request([definition("big", placement={"cpu_offload": False}), definition("chat", 2, parameters=["--ctx-size=2048"]),
                       definition("same")], hosts, routers=["gpu01"], model=MODELS)
    return {**asked, "deployments": changed["deployments"], "models": changed["models"]}


def test_a_plan():
    plan = make_plan(story())
    assert plan["text"] == """\
Fleet demo, generation 1 -> 2

big: no instances
  !  big-0 is pending: no host suits it
       needs 39.8 GiB on a GPU and 1.4 GiB of RAM, or 40.7 GiB of RAM on a host without GPUs
       cpu01: it has no GPU, and placement.cpu_offload is off
         RAM: 2.0 GiB free of 4.0 GiB (0 MiB claimed, 2.0 GiB reserved, 0 MiB used by others)
       gpu01: 39.8 GiB needed on one GPU, at most 21.1 GiB free
         RAM: 61.6 GiB free of 64.0 GiB (342 MiB claimed, 2.0 GiB reserved, 0 MiB used by others)
         gpu 0: 21.1 GiB free of 24.0 GiB (2.4 GiB claimed, 512 MiB reserved, 0 MiB used by others)
       gpu02: 39.8 GiB needed on one GPU, at most 19.5 GiB free
         RAM: 61.4 GiB free of 64.0 GiB (583 MiB claimed, 2.0 GiB reserved, 0 MiB used by others)
         gpu 0: 19.5 GiB free of 24.0 GiB (4.0 GiB claimed, 512 MiB reserved, 0 MiB used by others)
       -> placement.cpu_offload: true would let it run on gpu01 and gpu02.

chat: 3 instances
  ~  restart  chat-0  gpu01  gpu 0  2.4 GiB + 342 MiB RAM  port 41000  (the definition changed: parameters)
  ~  restart  chat-1  gpu02  gpu 0  2.4 GiB + 342 MiB RAM  port 41000  (the definition changed: parameters)
  -  stop     chat-2  gpu01  (replicas is 2)

old: 1 instance
  -  stop  old-0  gpu02  (no definition has it any more)

same: no change, 1 instance

2 to restart, 2 to stop in 2 waves, 1 pending.""".split("\n")
    assert plan["recap"] == """\
Fleet demo is at generation 2: 4 instances changed, 1 pending.
~ chat-0 restarted on gpu01
~ chat-1 restarted on gpu02
- chat-2 stopped on gpu01
- old-0 stopped on gpu02
! big-0 is pending: no host suits it""".split("\n")


def test_a_plan_that_changes_nothing():
    asked = story()
    asked["deployments"] = [item for item in asked["deployments"] if item["name"] != "big"]
    plan = make_plan(applied(make_plan(asked), asked))
    assert plan["text"] == ["Fleet demo, generation 2", "", "chat: no change, 2 instances", "", "same: no change, 1 instance", "",
                            "Nothing to change, 0 pending."]
    assert plan["recap"] == ["Fleet demo, generation 2. Nothing to change, 0 pending."]


def test_the_status_of_a_fleet():
    asked = story()
    asked["deployments"] = []
    failed = asked["hosts"]["gpu01"]["instances"][0]
    failed.update(state="backing_off", healthy=False, since=None, restarts=3, next_try=1030, last_exit="exited 1")
    for name in ("gpu01", "gpu02"):
        for item in asked["hosts"][name]["instances"]:
            if item is not failed:
                item.update(since=400)
    asked["hosts"]["cpu01"] = None
    asked["lost"] = {"cpu01": "it cannot be reached: timed out"}
    asked["hosts"]["gpu02"]["config"]["maintenance"] = True
    asked["hosts"]["gpu02"]["lease"] = {"run": "r7", "holder": "ops@ctl", "expires": 9, "left": None}
    asked["router_reports"]["gpu01"]["router"]["status"] = {"generation": 1, "revision": 3, "refused": None, "workers": [{}, {}]}
    state = overview(asked, 1000)
    assert overview_text(state) == """\
Fleet demo, generation 1

Hosts
  host   state        services     RAM free  claimed  GPUs
  gpu01  ready        systemd 252  61.3 GiB  687 MiB  1
  gpu02  not ready    systemd 252  61.1 GiB  826 MiB  1     it is in maintenance (modelfleet_maintenance), so nothing new is placed on it
  cpu01  unreachable  -            -         -        -     it cannot be reached: timed out

GPUs
  host   gpu  name  free      claimed  used  by others  total
  gpu01  0    card  18.5 GiB  5.0 GiB  -     -          24.0 GiB
  gpu02  0    card  17.9 GiB  5.6 GiB  -     -          24.0 GiB

Deployments
  deployment  wanted  instances  serving  state
  chat        3       3          2        applied
  old         1       1          1        applied
  same        1       1          1        applied

Instances
  instance  host   place  port   state        up      restarts  claim
  chat-0    gpu01  gpu 0  41000  backing off  -       3         2.5 GiB + 344 MiB RAM  next try in 30 s; last exit: exited 1
  chat-1    gpu02  gpu 0  41000  active       10 min  0         2.5 GiB + 344 MiB RAM
  chat-2    gpu01  gpu 0  41001  active       10 min  0         2.5 GiB + 344 MiB RAM
  old-0     gpu02  gpu 0  41001  active       10 min  0         1.6 GiB + 241 MiB RAM
  same-0    gpu02  gpu 0  41002  active       10 min  0         1.6 GiB + 241 MiB RAM

Routers
  router  state    version  registry  workers
  gpu01   running  0.1.0    1.3       2

Notes
  gpu02: run r7 of ops@ctl is changing the fleet""".split("\n")
    assert state["instances"][0]["claim"]["ram"] > 300 * MIB
