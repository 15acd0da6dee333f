"""Writes safetensors files and directories byte by byte, independently of the reader under test, so that they can also be wrong."""

import json
import struct

SIZES = {"F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "U8": 1, "I32": 4, "I64": 8}

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 10, "max_position_embeddings": 4096,
}  # fmt: skip
TENSORS = {
    "model.embed_tokens.weight": ("BF16", [10, 64]),
    "model.layers.0.self_attn.q_proj.weight": ("BF16", [64, 64]),
    "model.layers.1.self_attn.q_proj.weight": ("BF16", [64, 64]),
    "model.norm.weight": ("BF16", [64]),
    "lm_head.weight": ("BF16", [10, 64]),
}


def entries(tensors):
    """(header, bytes of data) of {name: (dtype, shape)}, one after the other."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape) in tensors.items():
        size = SIZES[dtype]
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return header, end


def packed(header, data_bytes):
    """A file of a header (an object, or the text itself) and zeros."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data_bytes)


def file(tensors=None):
    """A sound file."""
    return packed(*entries(TENSORS if tensors is None else tensors))


def directory(path, config=None, tensors=None, shards=0, **documents):
    """A sound model at ``path``, which it returns. ``config`` is merged into LLAMA, None removes a key; ``documents``: {name before .json: JSON}."""
    path.mkdir(parents=True, exist_ok=True)
    tensors = TENSORS if tensors is None else tensors
    values = {key: value for key, value in {**LLAMA, **(config or {})}.items() if value is not None}
    documents = {"config": values, "tokenizer": {}, "tokenizer_config": {"chat_template": "{{ messages }}"}, **documents}
    if shards:
        placed = {name: "model-%05d-of-%05d.safetensors" % (place % shards + 1, shards) for place, name in enumerate(tensors)}
        for shard in set(placed.values()):
            (path / shard).write_bytes(file({name: tensors[name] for name in tensors if placed[name] == shard}))
        documents["model.safetensors.index"] = {"metadata": {}, "weight_map": placed}
    else:
        (path / "model.safetensors").write_bytes(file(tensors))
    for name, document in documents.items():
        (path / (name + ".json")).write_text(json.dumps(document))
    return path
