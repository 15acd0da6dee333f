# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a definition may say. The JSON Schema and the table in the documentation are made from these models."""

# pydantic evaluates these annotations, also on Pythons without X | Y.
# ruff: noqa: UP007, UP045

from __future__ import annotations

from typing import Annotated, Literal, Optional, Union

from ...common.models.categories import CATEGORIES
from .backends import BACKEND_NAMES
from .compat import Field, WrapValidator
from .sources.table import SOURCES
from .strict import Strict
from .texts import ABSOLUTE_PATH, ALIAS, DEPLOYMENT_NAME, GPU, PINNED_PACKAGE, PRINTABLE, VARIABLE, VERSION
from .validators import check_parameter, check_replicas, check_source, known_host, known_secret, no_doubles

MOST_REPLICAS = 1000

Variable = Annotated[str, Field(pattern=VARIABLE)]


class PerHost(Strict):
    """One number for each host that fits: grows with the inventory."""

    per_host: int = Field(ge=1, le=MOST_REPLICAS, description="Replicas on each host that fits.")


class PerGpu(Strict):
    """One number for each GPU that fits: grows with the inventory."""

    per_gpu: int = Field(ge=1, le=MOST_REPLICAS, description="Replicas on each GPU that fits.")


class Placement(Strict):
    """Where instances may run."""

    strategy: Literal["spread", "binpack"] = Field(
        "spread", description="`spread` over hosts, or fill one GPU after the other (`binpack`).")
    host_labels: dict[str, str] = Field(
        default_factory=dict, description="Only hosts whose `modelfleet_labels` have all of these values.")
    gpus: Annotated[list[Annotated[str, Field(pattern=GPU), known_host]], no_doubles] = Field(
        default_factory=list, description='Only these GPUs, each as host and index: `"gpu01:0"`.')
    cpu_offload: bool = Field(
        True,
        description="Whether layers that do not fit the GPU may run on the CPU, and instances on hosts without GPUs.")


class Restart(Strict):
    """What happens when an engine ends by itself."""

    on_error: bool = Field(True, description="Start an engine again that ended with an error.")
    max_delay: int = Field(
        300, ge=1, le=300, description="Longest pause between two starts, in seconds. Pauses double up to it.")


class Update(Strict):
    """How a change rolls through the replicas."""

    max_unavailable: int = Field(
        1, ge=0, le=MOST_REPLICAS, description="Replicas that may be down at the same time, unhealthy ones included.")
    max_surge: int = Field(
        0, ge=0, le=MOST_REPLICAS, description="Replicas that may be started above the number before old ones stop.")


class Definition(Strict):
    """A deployment: one model with its replicas."""

    name: str = Field(
        pattern=DEPLOYMENT_NAME,
        description="The deployment, and the model name that clients use. Not taken from the file's name.")
    source: Annotated[Union[tuple(SOURCES.values())], WrapValidator(check_source)] = Field(
        description="Where the model is.")
    replicas: Annotated[Union[Annotated[int, Field(ge=0, le=MOST_REPLICAS)], PerHost, PerGpu],
                        WrapValidator(check_replicas)] = Field(
        1, description="A number, `{per_host: n}` or `{per_gpu: n}`.")
    backend: Literal[("auto",) + BACKEND_NAMES] = Field(
        "auto", description="The inference engine. `auto` takes the first one that serves the model's format.")
    backend_version: Optional[str] = Field(
        None, pattern=VERSION,
        description="Version of the engine, quoted. Without it, the one that this modelfleet was tested with.")
    backend_packages: Annotated[list[Annotated[str, Field(pattern=PINNED_PACKAGE)]], no_doubles] = Field(
        default_factory=list,
        description='Python packages that are installed beside the engine, each with its exact version: `"flashinfer-python==0.4.1"`.')
    backend_executable: Optional[str] = Field(
        None, pattern=ABSOLUTE_PATH,
        description="Absolute path of an engine that is already on the hosts; nothing is installed then.")
    parameters: list[Annotated[str, check_parameter]] = Field(
        default_factory=list,
        description="Words for the engine's command line, each `--name=value`, `--name value` or one word.")
    env: dict[Variable, Annotated[str, Field(pattern=PRINTABLE)]] = Field(
        default_factory=dict, description="Environment variables of the engine. Not for secrets.")
    secrets: dict[Variable, Annotated[str, known_secret]] = Field(
        default_factory=dict,
        description="Environment variables whose values are entries of `modelfleet_secrets` (vault), by name.")
    aliases: list[Annotated[str, Field(pattern=ALIAS)]] = Field(
        default_factory=list, description="Further model names that clients may use.")
    description: str = Field("", description="For people.")
    categories: Annotated[list[Literal[CATEGORIES]], no_doubles] = Field(
        default_factory=list, description="What the model is for. Detected where it is not given.")
    placement: Placement = Field(default_factory=Placement, description="Where instances may run.")
    restart: Restart = Field(default_factory=Restart, description="What happens when an engine ends by itself.")
    update: Update = Field(default_factory=Update, description="How a change rolls through the replicas.")
