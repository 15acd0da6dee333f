# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``modelfleet-router``: serve, check a registry file, print the registry's schema."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from . import __version__
from .config import ConfigInvalid, load_config
from .registry import RegistryInvalid, parse_registry, registry_schema
from .sockets import SocketProblem

EX_CONFIG = 78  # sysexits.h; service managers can be told not to restart on it


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="modelfleet-router", description="The router of a modelfleet fleet.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until SIGTERM; SIGHUP replaces the worker processes one by one")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE")
    check = commands.add_parser("check", help="validate a registry file: exit 0, or 1 and one sentence per problem")
    check.add_argument("file", type=Path, metavar="FILE")
    commands.add_parser("schema", help="print the JSON Schema of a registry file")
    options = parser.parse_args(arguments)
    if options.command == "serve":
        return _serve(options.config)
    if options.command == "check":
        return _check(options.file)
    print(json.dumps(registry_schema(), indent=2, sort_keys=True))
    return 0


def _serve(path):
    from .supervisor import Supervisor

    try:
        config = load_config(path)
        asyncio.run(Supervisor(config, lambda: load_config(path)).run())
    except ConfigInvalid as error:
        print("\n".join(error.problems), file=sys.stderr)
        return EX_CONFIG
    except SocketProblem as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(path):
    try:
        _registry, warnings = parse_registry(path.read_bytes())
    except OSError as error:
        print(f"{path}: cannot be read: {error.strerror}")
        return 1
    except RegistryInvalid as error:
        print("\n".join(f"{path}: {problem}" for problem in error.problems))
        return 1
    for warning in warnings:
        print(f"{path}: {warning}", file=sys.stderr)
    return 0
