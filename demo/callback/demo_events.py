"""Ansible callback: writes what happens as one JSON object a line to the file descriptor DEMO_EVENTS, for demo/playbook.py.

{"task": name} begins, {"text": message} was shown by a debug task, {"failed": message}, {"changed": number of tasks that changed something} at the end.
"""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "demo_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._events = os.fdopen(int(os.environ["DEMO_EVENTS"]), "w")

    def _tell(self, **event):
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._tell(task=task.name or task.action)

    def v2_runner_on_ok(self, result):
        if result._task.action in ("debug", "ansible.builtin.debug"):
            self._tell(text=str(result._result.get("msg", "")))

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if not ignore_errors:
            self._tell(failed=str(result._result.get("msg", result._result)))

    def v2_runner_on_unreachable(self, result):
        self._tell(failed=str(result._result.get("msg", result._result)))

    def v2_playbook_on_stats(self, stats):
        self._tell(changed=sum(stats.summarize(host)["changed"] for host in stats.processed))
