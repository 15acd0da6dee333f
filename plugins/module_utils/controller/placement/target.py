# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of planned instances."""

from __future__ import annotations

from collections import namedtuple

from ...common.canonical import digest
from ...common.names import instance_id
from .fit import layers_of_claim

# Where an instance is: host, uuids of GPUs, layers on them, claim.
Place = namedtuple("Place", "host gpus layers claim")


class Targets:
    """Makes records. ``launchers``: {backend: hex digest of the launcher that its build holds}."""

    def __init__(self, fleet, hosts, launchers):
        self._fleet = fleet
        self._hosts = hosts
        self._launchers = launchers

    def build(self, need, host, gpus):
        """What the role `backend` installs on ``host`` for an instance with ``gpus`` (uuids), or None where it brings its own executable."""
        _metadata, _path, backend, _why = need.on(host)
        if need.definition["backend_executable"]:
            return None
        return backend.build(need.definition, self._launchers[backend.NAME], _vendor(self._hosts[host], gpus))

    def record(self, need, ordinal, place, port, generation):
        """The record of an instance of ``need`` at ``place`` (a Place or a Candidate)."""
        host = self._hosts[place.host]
        identifier = instance_id(need.name, ordinal)
        spec = self._spec(need, host, place, port)
        _metadata, _path, backend, _why = need.on(host.name)
        return {
            "version": 1,
            "fleet": self._fleet,
            "instance": identifier,
            "deployment": need.name,
            "ordinal": ordinal,
            "member": 0,
            "members": [{"host": host.name, "role": "leader", "address": host.address, "port": port}],
            "generation": generation,
            "gpus": list(place.gpus),
            "claim": place.claim,
            "port": port,
            "definition_digest": need.digest,
            "rendering_digest": digest(spec),
            "spec": spec,
            "registry": {
                "id": identifier,
                "model": need.name,
                "url": base_url(host.address, port),
                "host": host.name,
                "backend": backend.NAME,
                "state": "active",
                "weight": 1,
                "credential_file": "keys/%s.key" % need.name,
                **backend.registry_fields(need.definition),
            },
        }

    def rendered_again(self, need, replica, generation):
        """The record of ``replica`` as this version of the collection makes it at its place, or None where that cannot be told."""
        host = self._hosts[replica.host]
        metadata, _path, backend, why = need.on(host.name)
        gpus = tuple(replica.record["gpus"])
        if why or any(uuid not in host.gpus or not host.gpus[uuid].total for uuid in gpus):
            return None
        layers = layers_of_claim(need, metadata, backend, host.gpus[gpus[0]], replica.claim["gpus"][gpus[0]]) if gpus else 0
        return self.record(need, replica.ordinal, Place(host.name, gpus, layers, replica.claim), replica.port, generation)

    def _spec(self, need, host, place, port):
        metadata, path, backend, _why = need.on(host.name)
        gpus = place.gpus
        on_declared = any(host.gpus[uuid].declared for uuid in gpus)
        return backend.render({
            "fleet": self._fleet,
            "deployment": need.definition,
            "metadata": metadata,
            "path": path,
            "data_dir": host.data_dir,
            "address": host.address,
            "port": port,
            "layers": 0 if on_declared else place.layers,
            "claimed_gpu": place.claim["gpus"][gpus[0]] if gpus else 0,
            "total_gpu": host.gpus[gpus[0]].total if gpus else 0,
            "vendor": _vendor(host, gpus),
            "uuids": list(gpus),
            "build": self.build(need, host.name, gpus),
        })


def _vendor(host, gpus):
    return host.gpus[gpus[0]].vendor if gpus else None


def base_url(address, port):
    """``http://10.0.0.5:41000``; IPv6 addresses in brackets."""
    return "http://%s:%d" % ("[%s]" % address if ":" in address else address, port)
