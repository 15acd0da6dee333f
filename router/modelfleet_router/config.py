# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The router's configuration file (YAML). Strict: an unknown key or a wrong type is an error, one sentence each."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .problems import sentences


class ConfigInvalid(Exception):
    """``problems``: one sentence per mistake."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Timeouts(_Section):
    """Seconds. There is no limit on a whole answer: a stream may run as long as its bytes keep coming."""

    connect: float = Field(2.0, gt=0, description="to open a connection to an instance")
    first_byte: float = Field(600.0, gt=0, description="from sending a request to the first byte of the answer's body")
    gap: float = Field(300.0, gt=0, description="between two reads of an answer")


class HealthSettings(_Section):
    """Active probes, and when requests alone put an instance aside."""

    interval: float = Field(5.0, gt=0, description="seconds between probes of a healthy instance")
    recovery_interval: float = Field(0.5, gt=0, description="seconds between probes of an unhealthy instance")
    timeout: float = Field(2.0, gt=0, description="seconds a probe may take")
    probe_failures: int = Field(
        3, ge=1, description="unanswered probes in a row, with no bytes flowing, until it is set aside"
    )
    request_failures: int = Field(5, ge=1, description="failed requests in a row until it is set aside")


class RetrySettings(_Section):
    """Retries on another instance. A refused connection costs no budget: nothing was sent."""

    attempts: int = Field(3, ge=1, description="instances that may receive one request")
    ratio: float = Field(0.2, ge=0, description="retries earned by each request")
    per_second: float = Field(10.0, ge=0, description="retries earned by each second, so that a quiet router can retry")
    burst: float = Field(100.0, ge=1, description="most retries that can be saved up")


class QueueSettings(_Section):
    """Requests that wait while every instance of their model is draining."""

    wait: float = Field(5.0, ge=0, description="seconds")
    size: int = Field(1000, ge=0, description="waiting requests in one worker process")


class Config(_Section):
    """Everything that ``modelfleet-router serve`` needs to know, the registry aside."""

    fleet: str = Field(min_length=1)
    registry: str = Field(description="path of the registry file")
    admin_socket: str = Field(description="path of the unix socket for status, reload and metrics")
    listen: str = "0.0.0.0:8080"
    metrics_listen: str | None = None
    processes: int = Field(2, ge=1, le=128)
    drain_timeout: float = Field(120.0, ge=0, description="seconds that requests in flight may still take on a stop")
    timeouts: Timeouts = Timeouts()
    health: HealthSettings = HealthSettings()
    retry: RetrySettings = RetrySettings()
    queue: QueueSettings = QueueSettings()

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _address(cls, value):
        if value is not None:
            split_address(value)
        return value


def split_address(address: str) -> tuple[str, int]:
    """``"127.0.0.1:8080"`` or ``"[::1]:8080"`` as (host, port). Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535 or (":" in host and host[0] != "["):
        raise ValueError(f"{address!r} is not an address like 0.0.0.0:8080 or [::]:8080")
    return host.strip("[]"), int(port)


def load_config(path: Path) -> Config:
    """Read and validate a configuration; relative paths in it are relative to its folder. Raises ConfigInvalid."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be read: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigInvalid([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(data, dict):
        raise ConfigInvalid([f"{path}: must be a mapping with at least fleet, registry and admin_socket"])
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigInvalid([f"{path}: {sentence}" for sentence in sentences(error, Config)]) from None
    folder = path.resolve().parent
    return config.model_copy(
        update={"registry": str(folder / config.registry), "admin_socket": str(folder / config.admin_socket)}
    )
