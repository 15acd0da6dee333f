# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the planner and people want to know of a model: the same dictionary for every format."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Part(NamedTuple):
    """A file of a model. ``digest``: SHA-256 (hex) of what was read of it, None where only its size counts."""

    path: str
    bytes: int
    digest: str


class Weights(NamedTuple):
    """Bytes of tensors. ``layers``: one number a layer; ``input``: what comes before the layers; ``output``: everything else."""

    layers: list
    input: int
    output: int


def metadata(parts, weights, category, rule, facts):
    """Metadata of one model: ``facts`` and what follows from the rest. Sizes are bytes.

    ``{format: "gguf" | "safetensors", architecture, model_type, name, parameters, layers, heads, kv_heads, head_dim_k, head_dim_v,
    embedding_length, feed_forward_length, vocab_size, context, dtype, quantization, weights_bytes, file_bytes,
    files: [{path, bytes}], layer_bytes: [..], input_bytes, output_bytes, tied, experts, sliding_window, pooling,
    has_chat_template, custom_code, fingerprint, category, categories, category_rule}``.

    ``heads``, ``kv_heads``, ``feed_forward_length`` are numbers, or lists with one number a layer where layers differ.
    weights_bytes = input_bytes + sum(layer_bytes) + output_bytes. A token takes kv_heads x (head_dim_k + head_dim_v) values of a
    layer's cache. ``tied``: the output head is the token embedding. ``dtype``: the type that config.json names, else that of
    most weights, e.g. "bfloat16". ``custom_code``: Python code in the model's directory describes it. Null where a format or a model does not say:
    model_type, name, feed_forward_length, vocab_size, context, dtype, quantization, sliding_window, pooling.
    The first entry of ``files`` is a file with weights. An engine is given that file (GGUF), or its directory (safetensors).
    """
    return {
        **facts,
        "layers": len(weights.layers),
        "weights_bytes": weights.input + sum(weights.layers) + weights.output,
        "layer_bytes": weights.layers,
        "input_bytes": weights.input,
        "output_bytes": weights.output,
        "file_bytes": sum(part.bytes for part in parts),
        "files": [{"path": part.path, "bytes": part.bytes} for part in parts],
        "fingerprint": _fingerprint(parts),
        "category": category,
        "categories": [category],
        "category_rule": rule,
    }


def elements(dimensions):
    """Number of values in a tensor."""
    count = 1
    for dimension in dimensions:
        count *= dimension
    return count


def _fingerprint(parts):
    """``sha256:<hex>`` over what was read of each file and its size: differs when a model was replaced by another one."""
    text = "\n".join("%s %d" % (part.digest, part.bytes) for part in parts)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()
