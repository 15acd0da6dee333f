"""What the tests of the host half share."""

import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LAUNCH = os.path.join(ROOT, "plugins", "module_utils", "host", "launch")


def make_record(instance="qwen3-0", port=41000, **differences):
    """A record as a plan has it."""
    deployment, _dash, ordinal = instance.rpartition("-")
    record = {
        "version": 1,
        "fleet": "prod",
        "instance": instance,
        "deployment": deployment,
        "ordinal": int(ordinal),
        "member": 0,
        "members": [{"host": "h1", "role": "leader", "address": "127.0.0.1", "port": port}],
        "generation": 3,
        "gpus": [],
        "claim": {"ram": 1000, "gpus": {}},
        "port": port,
        "definition_digest": "sha256:d",
        "rendering_digest": "sha256:r",
        "registry": {"id": instance},
        "spec": {
            "argv": [sys.executable, "-c", "pass"],
            "env": {},
            "secret_env": [],
            "credential_env": None,
            "health": {"path": "/health", "deadline": 5, "authenticated": False},
            "log_patterns": "engine",
            "stop_timeout": 60,
            "restart": {"on_error": True, "first_delay": 10, "max_delay": 300, "reset_after": 60, "fatal_exit_codes": [78]},
            "devices": {"vendor": None, "uuids": []},
            "requires": {"executables": [], "files": []},
        },
    }
    spec = dict(record["spec"], **differences.pop("spec", {}))
    return dict(record, spec=spec, **differences)


@pytest.fixture
def record():
    return make_record
