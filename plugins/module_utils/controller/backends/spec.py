# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance spec of docs/architecture.md: what is the same for every engine that serves HTTP and answers /health without a key."""

from __future__ import annotations

BYTES_LOADED_PER_SECOND = 100 * 1000 * 1000
"""A slow disk: what loading adds to the seconds that an engine has to become healthy."""


def instance_spec(backend, instance, program, arguments, env, credential_env, health_deadline, stop_timeout):
    """The spec of one instance.

    ``backend``: its name; ``instance``: see table.py; ``program``: first words of argv, the executable first; ``env``: {str: str};
    ``credential_env``: the variable that takes the key, or None; ``health_deadline`` (without loading) and ``stop_timeout``: seconds.
    """
    definition, metadata = instance["deployment"], instance["metadata"]
    return {
        "argv": program + arguments,
        "env": env,
        "secret_env": sorted(definition["secrets"]),
        "credential_env": credential_env,
        "health": {
            "path": "/health",
            "deadline": health_deadline + metadata["file_bytes"] // BYTES_LOADED_PER_SECOND,
            "authenticated": False,
        },
        "log_patterns": backend,
        "stop_timeout": stop_timeout,
        "restart": {
            "on_error": definition["restart"]["on_error"],
            "first_delay": 10,
            "max_delay": definition["restart"]["max_delay"],
            "reset_after": 60,
            "fatal_exit_codes": [78],
        },
        "devices": {"vendor": instance["vendor"], "uuids": list(instance["uuids"])},
        "requires": {"executables": program[:1], "files": [file["path"] for file in metadata["files"]]},
    }
