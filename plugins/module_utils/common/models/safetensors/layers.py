# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns safetensors headers and config.json into what the planner and people want to know of a model."""

from __future__ import annotations

import re

from ..metadata import Weights

# Layers of a tower for images or sound are not layers of the language model: they come before it.
_TOWER = re.compile(r"(?:^|\.)(?:vision|visual|audio|image|speech|vit|vpm|apm|talker|code2wav|token2wav)[^.]*\.")
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d{1,4})\.")
_OUTPUT = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output|score|classifier|pooler|norm|norm_f|ln_f|final_layer_?norm|mtp)\.")
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output)\.")
DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}


def layer_weights(tensors, layers):
    """The metadata.Weights of header entries. ``layers`` of config.json, None: as many as the names tell.

    Layers beyond them (for multi-token prediction) count as output.
    """
    numbers = {tensor.name: _layer(tensor.name) for tensor in tensors}
    if layers is None:
        layers = max((number + 1 for number in numbers.values() if number is not None), default=0)
    layer_bytes, input_bytes, output_bytes = [0] * layers, 0, 0
    for tensor in tensors:
        number = numbers[tensor.name]
        if number is not None and number < len(layer_bytes):
            layer_bytes[number] += tensor.bytes
        elif number is not None or _OUTPUT.search(tensor.name) and not _TOWER.search(tensor.name):
            output_bytes += tensor.bytes
        else:
            input_bytes += tensor.bytes
    return Weights(layer_bytes, input_bytes, output_bytes)


def has_head(tensors):
    """Whether there is an output head of its own."""
    return any(_HEAD.search(tensor.name) for tensor in tensors)


def common_dtype(tensors):
    """The floating-point type that holds most bytes, as in the headers ("BF16") and in words ("bfloat16"); None where there is none."""
    sizes = {}
    for tensor in tensors:
        if tensor.dtype in DTYPES:
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.bytes
    return max(sorted(sizes), key=sizes.get) if sizes else None


def _layer(name):
    match = None if _TOWER.search(name) else _LAYER.search(name)
    return int(match.group(1)) if match else None
