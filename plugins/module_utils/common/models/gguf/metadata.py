# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns GGUF headers into what the planner and people want to know of a model."""

from __future__ import annotations

import re

from ..counts import is_count, largest, per_layer
from ..errors import ModelError
from ..metadata import Part, Weights, elements, metadata
from .categories import ENCODERS, POOLING, categorize
from .header import Counted
from .types import FILE_TYPE_GUESSED, FILE_TYPES, tensor_type_name

_LAYER = re.compile(r"(?:enc\.|dec\.)?blk\.(\d{1,4})\.")
# llama.cpp keeps these with the input layer (always on the CPU); what is in no layer and not here is of the output.
_INPUT = ("token_embd", "token_types", "position_embd", "per_layer_token_embd")
_NOT_MODELS = {
    "adapter": "a LoRA adapter", "imatrix": "an importance matrix", "clip": "a projector for images or sound",
    "mmproj": "a projector for images or sound",
}


def describe(files):
    """Metadata (metadata.py) of one model; ``files``: [(path, Header)], the first one with the model's keys.

    ``tied``: llama.cpp then keeps the token embedding twice when the output is on a GPU. Raises ModelError for what is no model.
    """
    values = files[0][1].values
    tensors = [tensor for _path, header in files for tensor in header.tensors]
    architecture = _architecture(values)

    def value(key):
        return values.get("%s.%s" % (architecture, key))

    heads = per_layer(value("attention.head_count"), 0)
    embedding = largest(value("embedding_length"), 0)
    head = embedding // largest(heads, 0) if largest(heads, 0) else 0
    names = {tensor.name for tensor in tensors}
    classifier = not names.isdisjoint(["cls.weight", "cls.output.weight"])
    pooling = POOLING.get(largest(value("pooling_type"), None))
    name = values.get("general.name")
    category, rule = categorize(architecture, pooling, value("attention.causal"), classifier, name)
    return metadata(
        [Part(path, header.file_bytes, header.digest) for path, header in files],
        _weights(tensors, largest(value("block_count"), 0)),
        category,
        rule,
        {
            "format": "gguf",
            "architecture": architecture,
            "model_type": None,
            "name": name if isinstance(name, str) else None,
            "parameters": sum(elements(tensor.dimensions) for tensor in tensors),
            "heads": heads,
            "kv_heads": per_layer(value("attention.head_count_kv"), heads),
            "head_dim_k": largest(value("attention.key_length"), head),
            "head_dim_v": largest(value("attention.value_length"), head),
            "embedding_length": embedding,
            "feed_forward_length": per_layer(value("feed_forward_length"), None),
            "vocab_size": _vocabulary(values, value("vocab_size")),
            "context": largest(value("context_length"), None),
            "dtype": None,
            "quantization": _quantization(values, tensors),
            "tied": "token_embd.weight" in names and "output.weight" not in names and architecture not in ENCODERS,
            "experts": largest(value("expert_count"), 0),
            "sliding_window": largest(value("attention.sliding_window"), None),
            "pooling": pooling,
            "has_chat_template": bool(values.get("tokenizer.chat_template")),
            "custom_code": False,
        },
    )


def _architecture(values):
    kind = values.get("general.type")
    architecture = values.get("general.architecture")
    for word in (kind, architecture):
        if isinstance(word, str) and word in _NOT_MODELS:
            raise ModelError("%s, not a model that can be served by itself" % _NOT_MODELS[word])
    if not isinstance(architecture, str) or not architecture:
        raise ModelError("the header is broken: it names no general.architecture")
    return architecture


def _weights(tensors, layers):
    layer_bytes, input_bytes, output_bytes = [0] * min(layers, 10000), 0, 0
    for tensor in tensors:
        layer = _LAYER.match(tensor.name)
        if layer:
            index = int(layer.group(1))
            layer_bytes.extend([0] * (index + 1 - len(layer_bytes)))
            layer_bytes[index] += tensor.bytes
        elif tensor.name.startswith(_INPUT):
            input_bytes += tensor.bytes
        else:
            output_bytes += tensor.bytes
    return Weights(layer_bytes, input_bytes, output_bytes)


def _vocabulary(values, size):
    tokens = values.get("tokenizer.ggml.tokens")
    return tokens.length if isinstance(tokens, Counted) else largest(size, None)


def _quantization(values, tensors):
    """What the header says; where it says nothing, the type that holds most of the bytes."""
    file_type = values.get("general.file_type")
    if is_count(file_type) and file_type & ~FILE_TYPE_GUESSED in FILE_TYPES:
        return FILE_TYPES[file_type & ~FILE_TYPE_GUESSED]
    sizes = {}
    for tensor in tensors:
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.bytes
    return tensor_type_name(max(sorted(sizes), key=sizes.get)) if sizes else None
