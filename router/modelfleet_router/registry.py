# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: the only thing the router knows of the fleet. These models are its only definition.

The router takes files from newer writers: fields that it does not know are ignored with a warning.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .balancing.table import POLICIES
from .problems import sentences


class RegistryInvalid(Exception):
    """``problems``: one sentence per mistake."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Name = Annotated[str, Field(min_length=1, max_length=256)]
HttpPath = Annotated[str, Field(pattern=r"^/[!-~]*$")]


class ModelEntry(_Part):
    """A model that clients may ask for."""

    name: Name
    aliases: list[Name] = []
    categories: list[str] = []
    balancing: str = "least_outstanding"
    limits: dict[str, Any] | None = None

    @field_validator("balancing")
    @classmethod
    def _known_policy(cls, value):
        if value not in POLICIES:
            raise ValueError(f"{value!r} is not a balancing policy (known: {', '.join(sorted(POLICIES))})")
        return value


class InstanceEntry(_Part):
    """A replica. ``served_model_name``: what its engine calls the model (without it: the model's name). ``capacity``:
    requests at the same time. ``credential_file`` is relative to the registry's folder."""

    id: Name
    model: Name
    url: str
    host: str = ""
    backend: str = ""
    served_model_name: Name | None = None
    state: Literal["active", "draining"] = "active"
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    capacity: int = Field(1, ge=1)
    health_path: HttpPath = "/health"
    metrics_path: HttpPath | None = None
    credential_file: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("url")
    @classmethod
    def _base_url(cls, value):
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port
        except ValueError:
            usable = False
        if not usable or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
            raise ValueError(f"{value!r} is not a URL like http://10.0.0.5:41000")
        return value.rstrip("/")


class Registry(_Part):
    """One complete statement of what may serve. Ordered by (generation, revision)."""

    version: Literal[1]
    fleet: Name
    generation: int = Field(ge=0)
    revision: int = Field(ge=0)
    models: list[ModelEntry]
    instances: list[InstanceEntry]

    @property
    def order(self) -> tuple[int, int]:
        return self.generation, self.revision

    @model_validator(mode="after")
    def _consistent(self):
        problems = []
        names: set[str] = set()
        for model in self.models:
            for name in (model.name, *model.aliases):
                if name in names:
                    problems.append(f"models: the name {name!r} is used twice")
                names.add(name)
        ids: set[str] = set()
        known = {model.name for model in self.models}
        for instance in self.instances:
            if instance.id in ids:
                problems.append(f"instances: the id {instance.id!r} is used twice")
            ids.add(instance.id)
            if instance.model not in known:
                problems.append(f"instances: {instance.id} serves the model {instance.model!r}, which is not in models")
        if problems:
            raise ValueError("\n".join(problems))
        return self


def parse_registry(data: bytes) -> tuple[Registry, list[str]]:
    """The registry in ``data`` (JSON) and warnings about fields that are ignored. Raises RegistryInvalid."""
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise RegistryInvalid([f"is not JSON: {error}"]) from None
    if not isinstance(document, dict):
        raise RegistryInvalid(["must be a JSON object"])
    try:
        registry = Registry.model_validate(document)
    except ValidationError as error:
        lines = [line for sentence in sentences(error, Registry) for line in sentence.split("\n")]
        raise RegistryInvalid(lines) from None
    return registry, _ignored(document)


def registry_schema() -> dict:
    """The JSON Schema of a registry file."""
    schema = Registry.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "modelfleet registry"}


def _not_a_number(text):
    raise ValueError(f"{text} is not a JSON number")


def _ignored(document):
    unknown = [f"{key}: unknown field, ignored" for key in document if key not in Registry.model_fields]
    for part, model in (("models", ModelEntry), ("instances", InstanceEntry)):
        keys = {key for entry in document[part] for key in entry} - set(model.model_fields)
        unknown += [f"{part}[].{key}: unknown field, ignored" for key in sorted(keys)]
    return unknown
