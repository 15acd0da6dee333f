# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of fleets, deployments, instances and units."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?")
NAME_RULE = "lower case letters, digits and dashes, not at the ends, at most 48 characters"


def is_name(text):
    """Whether ``text`` may name a fleet or a deployment."""
    return isinstance(text, str) and NAME.fullmatch(text) is not None


def instance_id(deployment, ordinal):
    """``qwen3`` and 0 give ``qwen3-0``."""
    return "%s-%d" % (deployment, ordinal)


def split_instance_id(text):
    """``qwen3-0`` gives ``("qwen3", 0)``. Raises ValueError for anything else."""
    deployment, dash, ordinal = text.rpartition("-")
    if not dash or not is_name(deployment) or not ordinal.isdigit():
        raise ValueError("%r is no instance id (<deployment>-<ordinal>)" % (text,))
    return deployment, int(ordinal)


def file_stem(fleet, instance):
    """The name that an instance's record, state, log and unit share: ``<fleet>.<instance>``."""
    return "%s.%s" % (fleet, instance)


def unit_name(fleet, instance):
    """The systemd unit of an instance."""
    return program_name(fleet, instance) + ".service"


def program_name(fleet, instance):
    """What supervisord calls an instance."""
    return "modelfleet@" + file_stem(fleet, instance)
