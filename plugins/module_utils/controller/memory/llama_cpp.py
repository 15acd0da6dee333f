# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of llama.cpp: weights and KV cache as its loader lays them out, compute buffers and process by rule.

Rules of llama.cpp (src/llama-model.cpp, llama-kv-cache.cpp): the last layers go to the GPU, the output layer first among them; the
token embedding stays in RAM; a tied output head is copied to the GPU; a layer's cache is where the layer is; the cells of the cache
are padded to 256. Sliding windows are not counted, so that models with them get a little more than they need.
"""

from __future__ import annotations

from ..backends import llama_cpp_flags as known
from ..backends.flags import Flags, ParameterError

MIB = 1024 * 1024
# Measured: 35 MiB for the process, the rest for tokenizer, HTTP buffers and host staging.
PROCESS_RAM = 128 * MIB
# A CUDA context takes 450 to 460 MiB of each card that a process uses.
PROCESS_GPU = 512 * MIB

# ggml: bytes of a block, elements in it.
CACHE_TYPES = {
    "f32": (4, 1), "f16": (2, 1), "bf16": (2, 1), "q8_0": (34, 32), "q4_0": (18, 32), "q4_1": (20, 32), "iq4_nl": (18, 32),
    "q5_0": (22, 32), "q5_1": (24, 32),
}
# Encoders read a text at once and keep no cache.
WITHOUT_CACHE = frozenset([
    "bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe",
    "t5encoder",
])
FORMULA = ("weights + KV cache (context x layers x KV heads x head size) + compute buffer (micro-batch x (3 x feed forward + 3 x "
           "embedding) x 4 bytes, and the mask) + %d MiB for the process and %d MiB on a GPU"
           % (PROCESS_RAM // MIB, PROCESS_GPU // MIB))


def estimate(metadata, parameters, devices, env):
    """See memory/table.py. One device at most: llama.cpp instances use one GPU here."""
    flags = Flags(parameters)
    layers = min(devices[0]["layers"], metadata["layers"] + 1) if devices else 0
    blocks = max(0, layers - 1)
    weights_gpu, weights_ram = _weights(metadata, layers, blocks)
    cache = _cache_per_layer(metadata, flags)
    on_gpu = 0 if flags.has(known.NO_KV_OFFLOAD) else blocks
    cache_gpu = sum(cache[len(cache) - on_gpu:])
    cache_ram = sum(cache) - cache_gpu
    compute = _compute(metadata, flags)
    ram = {
        "weights": weights_ram,
        "kv_cache": cache_ram,
        "compute": compute if layers <= metadata["layers"] else _host_compute(metadata, flags),
        "output": known.parallel(flags) * (metadata["vocab_size"] or 0) * 4,
        "prompt_cache": flags.number(known.CACHE_RAM, 0) * MIB,
        "process": PROCESS_RAM,
    }
    gpu = {"weights": weights_gpu, "kv_cache": cache_gpu, "compute": compute, "process": PROCESS_GPU} if layers else {}
    parts = {name: ram.get(name, 0) + gpu.get(name, 0) for name in ram}
    return {
        "ram": sum(ram.values()),
        "gpus": [sum(gpu.values())] if devices else [],
        "parts": parts,
        "formula": FORMULA,
    }


def _weights(metadata, layers, blocks):
    """(bytes on the GPU, bytes in RAM) with ``layers`` of which ``blocks`` are blocks on the GPU."""
    sizes = metadata["layer_bytes"]
    gpu = sum(sizes[len(sizes) - blocks:])
    ram = metadata["input_bytes"] + sum(sizes) - gpu
    output = metadata["output_bytes"]
    if not layers:
        return 0, ram + output
    return gpu + output + (metadata["input_bytes"] if metadata["tied"] else 0), ram


def _cache_per_layer(metadata, flags):
    """Bytes of the KV cache of each layer."""
    count = metadata["layers"]
    if metadata["architecture"] in WITHOUT_CACHE:
        return [0] * count
    cells = _padded(known.context(flags, metadata))
    heads = metadata["kv_heads"]
    heads = heads if isinstance(heads, list) else [heads] * count
    key, value = _cache_type(flags, known.CACHE_TYPE_K), _cache_type(flags, known.CACHE_TYPE_V)
    return [cells * (_row(key, metadata["head_dim_k"] * number) + _row(value, metadata["head_dim_v"] * number))
            for number in (heads + [0] * count)[:count]]


def _cache_type(flags, names):
    name = flags.value(names) or "f16"
    if name not in CACHE_TYPES:
        raise ParameterError("the parameter %s needs one of %s, not %r" % (names[0], ", ".join(sorted(CACHE_TYPES)), name))
    return CACHE_TYPES[name]


def _row(cache_type, elements):
    block_bytes, block_elements = cache_type
    return -(-elements // block_elements) * block_bytes


def _padded(tokens):
    return -(-tokens // 256) * 256


def _compute(metadata, flags):
    """Bytes of the compute buffer with flash attention; reproduces what llama.cpp prints for dense models to the MiB."""
    batch = known.ubatch(flags, metadata)
    widest = metadata["feed_forward_length"] or 0
    widest = max(widest) if isinstance(widest, list) else widest
    mask = 2 * _padded(known.context(flags, metadata)) * batch
    return batch * 4 * (3 * widest + 3 * metadata["embedding_length"]) + mask


def _host_compute(metadata, flags):
    """Bytes of the buffer in RAM when every layer is on the GPU: inputs of a batch and the mask."""
    batch = known.ubatch(flags, metadata)
    return 3 * batch * metadata["embedding_length"] * 4 + 2 * _padded(known.context(flags, metadata)) * batch
