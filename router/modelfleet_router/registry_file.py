# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor's watch on the registry file: reads it when it changes, and refuses what must not come into force.

Touches the file system.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import log
from .registry import Registry, RegistryInvalid, parse_registry


@dataclass(frozen=True)
class InForce:
    """A registry and the keys that its credential files held when it was read, by instance id."""

    registry: Registry
    credentials: dict[str, str]

    def message(self) -> dict:
        """As it goes to the workers."""
        return {"registry": self.registry.model_dump(mode="json"), "credentials": self.credentials}


class RegistryFile:
    """``in_force`` is the newest good registry; ``refused`` says in a sentence why the file as it is now is not."""

    def __init__(self, path: Path, fleet: str):
        self._path = path
        self._fleet = fleet
        self._seen: tuple | None = None
        self.in_force: InForce | None = None
        self.refused: str | None = f"{path} has not been read yet"

    def look(self, force: bool = False) -> InForce | None:
        """The registry that has just come into force, or None. ``force``: read it even when it looks unchanged."""
        mark = self._mark()
        if mark == self._seen and not force:
            return None
        self._seen = mark
        try:
            loaded = self._load()
        except RegistryInvalid as error:
            self._refuse(error.problems)
            return None
        self.refused = None
        if loaded == self.in_force:
            return None
        self.in_force = loaded
        log.event("registry_in_force", generation=loaded.registry.generation, revision=loaded.registry.revision)
        return loaded

    def _mark(self):
        try:
            stat = self._path.stat()
        except OSError:
            return ("absent",)
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def _load(self):
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise RegistryInvalid([f"cannot be read: {error.strerror}"]) from None
        registry, warnings = parse_registry(data)
        if registry.fleet != self._fleet:
            raise RegistryInvalid([f"is of the fleet {registry.fleet!r}, this router serves {self._fleet!r}"])
        if self.in_force and registry.order < self.in_force.registry.order:
            low, high = registry.order, self.in_force.registry.order
            raise RegistryInvalid(
                [
                    f"generation {low[0]} revision {low[1]} is lower than generation {high[0]} "
                    f"revision {high[1]}, which is in force"
                ]
            )
        loaded = InForce(registry, self._credentials(registry))
        for warning in warnings:
            log.event("registry_warning", file=str(self._path), warning=warning)
        return loaded

    def _credentials(self, registry):
        keys, by_file, problems = {}, {}, []
        for instance in registry.instances:
            name = instance.credential_file
            if name is None:
                continue
            if name not in by_file:
                try:
                    by_file[name] = _read_key(self._path.parent / name)
                except ValueError as error:
                    by_file[name] = None
                    problems.append(f"credential_file {name} of {instance.id} {error}")
            keys[instance.id] = by_file[name]
        if problems:
            raise RegistryInvalid(problems)
        return keys

    def _refuse(self, problems):
        self.refused = f"{self._path}: {'; '.join(problems)}"
        log.event("registry_refused", reason=self.refused)


def _read_key(path):
    try:
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is not ASCII text") from None
    if not key or not key.isprintable():
        raise ValueError("holds no key on one line")
    return key
