# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance of a deployment needs: its backend on a host, its memory, its digests."""

from __future__ import annotations

from ...common.canonical import digest
from ..backends.flags import ParameterError
from ..backends.table import choose_backend
from ..memory.table import estimate

UNREAD_MODEL = "the model's header could not be read there"


class Need:
    """A definition, seen from the hosts. ``models``: {host: {deployment: entry of model_info}}."""

    def __init__(self, definition, models, secret_digest):
        self.definition = definition
        self.name = definition["name"]
        self.file = definition["file"]
        self.parameters = definition["parameters"]
        self.placement = definition["placement"]
        self.digest = definition_digest(definition, secret_digest)
        self._models = models
        self._estimates = {}

    def varied(self, **changes):
        """The same deployment with another ``parameters`` or ``placement``, for advice. Its digest means nothing."""
        return Need({**self.definition, **changes}, self._models, None)

    def on(self, host):
        """``(metadata, path, backend, None)`` on ``host``, or ``(None, None, None, why)``."""
        entry = self._models.get(host, {}).get(self.name)
        if entry is None:
            return None, None, None, UNREAD_MODEL
        if not entry["found"] or entry["error"]:
            return None, None, None, entry["error"] or "the model is not there"
        backend, why = choose_backend(self.definition["backend"], entry["metadata"])
        if backend is None:
            return None, None, None, "no backend serves the model: %s" % why
        return entry["metadata"], entry["path"], backend, None

    def memory(self, metadata, backend, layers, total=None):
        """The estimate with ``layers`` on a GPU of ``total`` bytes (None: of any size), or on the CPU where ``layers`` is None."""
        key = (metadata["fingerprint"], backend.NAME, layers, total)
        if key not in self._estimates:
            devices = [] if layers is None else [{"layers": layers, "total": total}]
            self._estimates[key] = estimate(metadata, self.parameters, devices, self.definition["env"], backend.NAME)
        return self._estimates[key]

    def any_metadata(self):
        """``(metadata, backend)`` of the first host by name that has the model, or (None, None)."""
        for host in sorted(self._models):
            metadata, _path, backend, why = self.on(host)
            if why is None:
                return metadata, backend
        return None, None

    def parameter_error(self):
        """A sentence about a parameter that no engine could take, or None; also None where no host has the model."""
        metadata, backend = self.any_metadata()
        try:
            if metadata:
                backend.obstacle(self.parameters, metadata)
                layers = backend.fixed_layers(self.parameters, metadata)
                self.memory(metadata, backend, None)
                self.memory(metadata, backend, backend.most_layers(metadata) if layers is None else layers)
        except ParameterError as error:
            return "%s: %s" % (self.file, error)
        return None

    def label_mismatch(self, host):
        """Why the host's labels do not suit, or None."""
        for key, value in sorted(self.placement["host_labels"].items()):
            have = host.labels.get(key)
            if have is None or str(have) != value:
                return "it is not labelled %s=%s%s" % (key, value, "" if have is None else " (but %s=%s)" % (key, have))
        return None

    def pinned(self, host):
        """Indexes of the GPUs of ``host`` that the definition names, or None where it names no GPUs at all."""
        if not self.placement["gpus"]:
            return None
        return sorted(pin["index"] for pin in self.placement["gpus"] if pin["host"] == host.name)


def definition_digest(definition, secret_digest):
    """Covers what the engine is made of. Where the definition leaves a choice to modelfleet, the choice is not part of it."""
    return digest({
        "source": definition["source"],
        "backend": definition["backend"],
        "version": definition["backend_version"],
        "executable": definition["backend_executable"],
        "parameters": definition["parameters"],
        "env": definition["env"],
        "secrets": secret_digest,
        "restart": definition["restart"],
        # Left out where there are none: definitions without any keep the digest that they had before the key existed.
        **({"packages": definition["backend_packages"]} if definition["backend_packages"] else {}),
    })
