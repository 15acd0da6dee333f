# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags of vLLM that the planner reads or sets, with all their spellings, and what they come to."""

from __future__ import annotations

import re

from .flags import ParameterError

GIB = 1024 ** 3

CONTEXT = ("--max-model-len",)
SEQUENCES = ("--max-num-seqs",)
UTILIZATION = ("--gpu-memory-utilization", "--device-memory-utilization")
CACHE_TYPE = ("--kv-cache-dtype",)
CACHE_BYTES = ("--kv-cache-memory-bytes",)
DTYPE = ("--dtype",)
NOT_EAGER = ("--no-enforce-eager",)
EAGER = ("--enforce-eager",) + NOT_EAGER
POOLING = ("--runner", "--convert", "--task")
# Each of them splits an instance over several GPUs.
PARALLEL = (
    ("--tensor-parallel-size", "-tp"), ("--pipeline-parallel-size", "-pp"), ("--data-parallel-size", "-dp"),
    ("--decode-context-parallel-size", "-dcp"), ("--prefill-context-parallel-size", "-pcp"), ("--nnodes", "-n"),
)
# GiB (a whole number) of KV cache of an engine on the CPU; vLLM lets it count more than --kv-cache-memory-bytes.
CPU_CACHE_VARIABLE = "VLLM_CPU_KVCACHE_SPACE"

# What modelfleet sets itself, and what would send the engine another way than the plan and the router know.
RESERVED = frozenset([
    "--host", "--port", "--uds", "--root-path", "--grpc", "--headless", "--config", "--model", "--served-model-name", "--api-key",
    "--shutdown-timeout", "--ssl-keyfile", "--ssl-certfile", "--ssl-ca-certs", "--ssl-cert-reqs", "--ssl-ciphers", "--enable-ssl-refresh",
])

DEFAULT_CONTEXT = 8192
# vLLM's own default depends on the card: 128 on CPUs, 256, and 1024 on large cards.
DEFAULT_SEQUENCES = 256

# Bytes of an element, by vLLM's names of types and those of model files.
TYPE_BYTES = {"float32": 4, "float": 4, "bfloat16": 2, "float16": 2, "half": 2}
_NARROW_CACHE = ("fp8", "int8", "int4", "nvfp4")
_MULTIPLES = {
    "": 1, "k": 10 ** 3, "m": 10 ** 6, "g": 10 ** 9, "t": 10 ** 12, "K": 2 ** 10, "M": 2 ** 20, "G": 2 ** 30, "T": 2 ** 40,
}
_NUMBER = re.compile(r"(\d+)(\.\d+)?([kKmMgGtT]?)")


def number(flags, names):
    """A whole number as vLLM writes it (``8192``, ``8k`` = 8000, ``8K`` = 8192, ``25.6k``), or None. Raises ParameterError."""
    text = flags.value(names)
    if text is None:
        return None
    found = _NUMBER.fullmatch(text)
    if not found or (found[2] and not found[3].islower()):
        raise ParameterError("the parameter %s needs a number like 8192, 8k (8000) or 8K (8192), not %r" % (names[0], text))
    return int(float(found[1] + (found[2] or "")) * _MULTIPLES[found[3]]) if found[2] else int(found[1]) * _MULTIPLES[found[3]]


def context(flags, metadata):
    """Tokens that one request may have: what the user says, else 8192 but no more than the model's maximum.

    With ``auto`` vLLM takes as many as fit into its memory: the default is what there has to be room for.
    """
    if flags.value(CONTEXT) in ("auto", "-1"):
        wanted = None
    else:
        wanted = number(flags, CONTEXT)
    return wanted or min(DEFAULT_CONTEXT, metadata.get("context") or DEFAULT_CONTEXT)


def sequences(flags):
    """Requests that the engine works on at the same time."""
    return max(1, flags.number(SEQUENCES, DEFAULT_SEQUENCES))


def utilization(flags):
    """The user's part of the GPU, 0 < part <= 1, or None. Raises ParameterError."""
    text = flags.value(UTILIZATION)
    if text is None:
        return None
    if not re.fullmatch(r"0?\.\d+|1(\.0*)?", text) or not float(text):
        raise ParameterError("the parameter %s needs a number above 0 and up to 1, like 0.9, not %r" % (UTILIZATION[0], text))
    return float(text)


def served_type(flags):
    """The type that the weights are loaded as: what the user says, else 16 bits, also for models of 32. Raises ParameterError."""
    name = flags.value(DTYPE) or "auto"
    if name != "auto" and name not in TYPE_BYTES:
        raise ParameterError("the parameter %s needs one of auto, %s, not %r" % (DTYPE[0], ", ".join(sorted(TYPE_BYTES)), name))
    return "bfloat16" if name == "auto" else name


def cache_element(flags):
    """Bytes of an element of the KV cache. Types below 8 bits count as 8, since their scales take room too."""
    name = flags.value(CACHE_TYPE) or "auto"
    if name.startswith(_NARROW_CACHE):
        return 1
    return TYPE_BYTES[served_type(flags)] if name == "auto" else TYPE_BYTES.get(name, 2)


def cache_of_one_request(flags, metadata):
    """Bytes of the KV cache that a request of full length takes: tokens x layers x KV heads x (size of key + value) x bytes."""
    layers = metadata["layers"]
    heads = metadata["kv_heads"]
    heads = sum(heads[:layers]) if isinstance(heads, list) else heads * layers
    return context(flags, metadata) * heads * (metadata["head_dim_k"] + metadata["head_dim_v"]) * cache_element(flags)


def cpu_cache(flags, metadata, env):
    """Bytes of the KV cache of an engine on the CPU: what the user says, else one request of full length in whole GiB."""
    if CPU_CACHE_VARIABLE in env:
        text = env[CPU_CACHE_VARIABLE]
        if not text.isdigit() or not int(text):
            raise ParameterError("env.%s needs a whole number of GiB, not %r" % (CPU_CACHE_VARIABLE, text))
        return int(text) * GIB
    wanted = number(flags, CACHE_BYTES)
    return -(-cache_of_one_request(flags, metadata) // GIB) * GIB if wanted is None else wanted
