# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns GGUF headers into what the planner and people want to know of a model."""

from __future__ import annotations

import hashlib
import re

from .categories import ENCODERS, POOLING, categorize
from .errors import ModelError
from .gguf import Counted
from .gguf_types import FILE_TYPE_GUESSED, FILE_TYPES, tensor_type_name

_LAYER = re.compile(r"(?:enc\.|dec\.)?blk\.(\d{1,4})\.")
# llama.cpp keeps these with the input layer (always on the CPU); what is in no layer and not here is of the output.
_INPUT = ("token_embd", "token_types", "position_embd", "per_layer_token_embd")
_NOT_MODELS = {
    "adapter": "a LoRA adapter", "imatrix": "an importance matrix", "clip": "a projector for images or sound",
    "mmproj": "a projector for images or sound",
}


def describe(files):
    """Metadata of one model; ``files``: [(path, Header)], the first one with the model's keys. Sizes are bytes.

    ``{format, architecture, name, parameters, layers, heads, kv_heads, head_dim_k, head_dim_v, embedding_length,
    feed_forward_length, vocab_size, context, quantization, weights_bytes, file_bytes, files: [{path, bytes}],
    layer_bytes: [..], input_bytes, output_bytes, tied, experts, sliding_window, pooling, has_chat_template,
    fingerprint, category, categories, category_rule}``.
    ``heads``, ``kv_heads``, ``feed_forward_length`` are numbers, or lists with one number a layer where layers differ.
    weights_bytes = input_bytes + sum(layer_bytes) + output_bytes. ``tied``: the output head is the token embedding
    (llama.cpp then keeps it twice when the output is on a GPU). vocab_size, context, sliding_window, pooling and
    feed_forward_length are null where the header does not say. Raises ModelError for what is no model.
    """
    values = files[0][1].values
    tensors = [tensor for _path, header in files for tensor in header.tensors]
    architecture = _architecture(values)
    keys = _Keys(values, architecture)
    layer_bytes, input_bytes, output_bytes = _bytes(tensors, keys.number("block_count", 0))
    heads = keys.per_layer("attention.head_count", 0)
    most_heads = max(heads) if isinstance(heads, list) and heads else heads
    embedding = keys.number("embedding_length", 0)
    head = embedding // most_heads if most_heads else 0
    names = {tensor.name for tensor in tensors}
    classifier = not names.isdisjoint(["cls.weight", "cls.output.weight"])
    pooling = POOLING.get(keys.number("pooling_type", None))
    name = values.get("general.name")
    category, rule = categorize(architecture, pooling, keys.get("attention.causal"), classifier, name)
    return {
        "format": "gguf",
        "architecture": architecture,
        "name": name if isinstance(name, str) else None,
        "parameters": sum(_elements(tensor) for tensor in tensors),
        "layers": len(layer_bytes),
        "heads": heads,
        "kv_heads": keys.per_layer("attention.head_count_kv", heads),
        "head_dim_k": keys.number("attention.key_length", head),
        "head_dim_v": keys.number("attention.value_length", head),
        "embedding_length": embedding,
        "feed_forward_length": keys.per_layer("feed_forward_length", None),
        "vocab_size": _vocabulary(values, keys),
        "context": keys.number("context_length", None),
        "quantization": _quantization(values, tensors),
        "weights_bytes": sum(tensor.bytes for tensor in tensors),
        "file_bytes": sum(header.file_bytes for _path, header in files),
        "files": [{"path": path, "bytes": header.file_bytes} for path, header in files],
        "layer_bytes": layer_bytes,
        "input_bytes": input_bytes,
        "output_bytes": output_bytes,
        "tied": "token_embd.weight" in names and "output.weight" not in names and architecture not in ENCODERS,
        "experts": keys.number("expert_count", 0),
        "sliding_window": keys.number("attention.sliding_window", None),
        "pooling": pooling,
        "has_chat_template": bool(values.get("tokenizer.chat_template")),
        "fingerprint": fingerprint([header for _path, header in files]),
        "category": category,
        "categories": [category],
        "category_rule": rule,
    }


def fingerprint(headers):
    """``sha256:<hex>`` over each file's header bytes and size: differs when a model was replaced by another one."""
    text = "\n".join("%s %d" % (header.digest, header.file_bytes) for header in headers)
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


class _Keys:
    """The keys of the model's architecture. A value of a type that makes no sense counts as not there."""

    def __init__(self, values, architecture):
        self._values = values
        self._prefix = architecture + "."

    def get(self, key):
        return self._values.get(self._prefix + key)

    def number(self, key, default):
        value = self.get(key)
        if isinstance(value, list) and value and all(_is_count(item) for item in value):
            return max(value)
        return value if _is_count(value) else default

    def per_layer(self, key, default):
        value = self.get(key)
        if isinstance(value, list) and value and all(_is_count(item) for item in value):
            return value[0] if len(set(value)) == 1 else value
        return value if _is_count(value) else default


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _architecture(values):
    kind = values.get("general.type")
    architecture = values.get("general.architecture")
    for word in (kind, architecture):
        if isinstance(word, str) and word in _NOT_MODELS:
            raise ModelError("%s, not a model that can be served by itself" % _NOT_MODELS[word])
    if not isinstance(architecture, str) or not architecture:
        raise ModelError("the header is broken: it names no general.architecture")
    return architecture


def _bytes(tensors, layers):
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
    return layer_bytes, input_bytes, output_bytes


def _elements(tensor):
    count = 1
    for dimension in tensor.dimensions:
        count *= dimension
    return count


def _vocabulary(values, keys):
    tokens = values.get("tokenizer.ggml.tokens")
    return tokens.length if isinstance(tokens, Counted) else keys.number("vocab_size", None)


def _quantization(values, tensors):
    """What the header says; where it says nothing, the type that holds most of the bytes."""
    file_type = values.get("general.file_type")
    if _is_count(file_type) and file_type & ~FILE_TYPE_GUESSED in FILE_TYPES:
        return FILE_TYPES[file_type & ~FILE_TYPE_GUESSED]
    sizes = {}
    for tensor in tensors:
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.bytes
    return tensor_type_name(max(sorted(sizes), key=sizes.get)) if sizes else None
