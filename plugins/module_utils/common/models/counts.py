# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers in model headers: one for the whole model, or a list with one a layer. What makes no sense counts as not there."""

from __future__ import annotations


def is_count(value):
    """Whether it is a whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def largest(value, default):
    """The number, or the largest of the layers."""
    layers = per_layer(value, default)
    return max(layers) if isinstance(layers, list) else layers


def per_layer(value, default):
    """The number, or the list where layers differ."""
    if isinstance(value, list) and value and all(is_count(item) for item in value):
        return value[0] if len(set(value)) == 1 else value
    return value if is_count(value) else default
