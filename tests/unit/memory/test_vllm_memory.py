# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimate for vLLM: the rule of thumb, what has to hold beside it, and what the user's flags change."""

from __future__ import annotations

import math

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.flags import Flags, ParameterError
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.vllm_flags import cache_of_one_request
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.memory.table import estimate
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.memory.vllm import PROCESS_RAM
from hypothesis import given
from hypothesis import strategies as st

GIB = 1024 ** 3
# Published models: shape, bytes of KV cache of a token on one GPU as engines print it (GiB of cache / tokens).
LLAMA_8B = dict(layers=32, kv_heads=8, head_dim_k=128, head_dim_v=128)
QWEN25_7B = dict(layers=28, kv_heads=4, head_dim_k=128, head_dim_v=128)
MLA = dict(layers=61, kv_heads=1, head_dim_k=576, head_dim_v=0)


def model(weights=16 * GIB, layers=32, kv_heads=8, head_dim_k=128, head_dim_v=128, quantization="BF16", **fields):
    return {
        "format": "safetensors", "parameters": weights // 2, "weights_bytes": weights, "layers": layers, "kv_heads": kv_heads,
        "head_dim_k": head_dim_k, "head_dim_v": head_dim_v, "context": 131072, "dtype": "bfloat16", "quantization": quantization, **fields,
    }


def on_gpu(metadata, parameters=(), total=80 * GIB):
    found = estimate(metadata, list(parameters), [{"layers": 32, "total": total}], {}, "vllm")
    assert sum(found["parts"].values()) == found["ram"] + sum(found["gpus"])
    return found["gpus"][0]


def on_cpu(metadata, parameters=(), env=None):
    found = estimate(metadata, list(parameters), [], env or {}, "vllm")
    assert found["gpus"] == [] and found["ram"] == sum(found["parts"].values())
    return found["parts"]


@pytest.mark.parametrize("shape, bytes_a_token", [(LLAMA_8B, 131072), (QWEN25_7B, 57344), (MLA, 70272)])
def test_the_cache_of_a_token(shape, bytes_a_token):
    assert cache_of_one_request(Flags(["--max-model-len=1000"]), model(**shape)) == 1000 * bytes_a_token


def test_the_rule_of_thumb():
    """weights x 1.2 + 2 GiB, in whole hundredths of the card."""
    assert on_gpu(model(), total=None) == 16 * GIB * 6 // 5 + 2 * GIB
    assert on_gpu(model()) == 27 * 80 * GIB // 100
    assert on_gpu(model(), total=24 * GIB) == 89 * 24 * GIB // 100


def test_one_request_of_full_length_fits():
    assert on_gpu(model(GIB), ["--max-model-len=128K"], total=None) == GIB + 16 * GIB + 2 * GIB
    assert on_gpu(model(GIB), ["--max-model-len=128K", "--kv-cache-dtype=fp8_e4m3"], total=None) == GIB + 8 * GIB + 2 * GIB


@pytest.mark.parametrize("parameter, tokens", [
    ("--max-model-len=4096", 4096), ("--max-model-len=8k", 8000), ("--max-model-len=8K", 8192), ("--max_model_len=1m", 1000000),
    ("--max-model-len=25.6k", 25600), ("--max-model-len=auto", 8192), ("--max-model-len=-1", 8192),
])
def test_the_context_as_vllm_reads_it(parameter, tokens):
    assert cache_of_one_request(Flags([parameter]), model()) == tokens * 131072


def test_the_default_context_is_not_more_than_the_model_has():
    assert cache_of_one_request(Flags([]), model()) == 8192 * 131072
    assert cache_of_one_request(Flags([]), model(context=2048)) == 2048 * 131072


def test_a_users_part_of_the_card_is_booked():
    assert on_gpu(model(), ["--gpu-memory-utilization=0.9"]) == math.ceil(0.9 * 80 * GIB)
    assert on_gpu(model(), ["--gpu_memory_utilization=1.0"]) == 80 * GIB
    assert on_gpu(model(), ["--kv-cache-memory-bytes=4G"], total=None) == (16 + 4 + 2) * GIB


def test_weights_are_loaded_in_the_type_that_is_served():
    half, single = model(), model(32 * GIB, quantization="F32", parameters=8 * GIB)
    assert on_cpu(half)["weights"] == on_cpu(single)["weights"] == 16 * GIB
    assert on_cpu(half, ["--dtype=float32"])["weights"] == 32 * GIB
    assert on_cpu(model(5 * GIB, quantization="AWQ 4-bit", parameters=8 * GIB))["weights"] == 5 * GIB


def test_on_the_cpu():
    small = model(GIB // 1024, layers=2, kv_heads=1)
    assert on_cpu(small) == {"weights": GIB // 1024, "kv_cache": GIB, "process": PROCESS_RAM}
    assert on_cpu(model(), ["--max-model-len=20000"])["kv_cache"] == 3 * GIB
    assert on_cpu(model(), env={"VLLM_CPU_KVCACHE_SPACE": "40"})["kv_cache"] == 40 * GIB
    assert on_cpu(model(), ["--kv-cache-memory-bytes=500M"])["kv_cache"] == 500 * 1024 ** 2


@pytest.mark.parametrize("parameters, env, sentence", [
    (["--max-model-len=many"], {}, "the parameter --max-model-len needs a number like 8192, 8k (8000) or 8K (8192), not 'many'"),
    (["--max-model-len=1.5K"], {}, "the parameter --max-model-len needs a number like 8192, 8k (8000) or 8K (8192), not '1.5K'"),
    (["--gpu-memory-utilization=90"], {}, "the parameter --gpu-memory-utilization needs a number above 0 and up to 1, like 0.9, not '90'"),
    (["--gpu-memory-utilization=0.0"], {}, "the parameter --gpu-memory-utilization needs a number above 0 and up to 1, like 0.9, not '0.0'"),
    (["--dtype=int8"], {}, "the parameter --dtype needs one of auto, bfloat16, float, float16, float32, half, not 'int8'"),
    ([], {"VLLM_CPU_KVCACHE_SPACE": "0.5"}, "env.VLLM_CPU_KVCACHE_SPACE needs a whole number of GiB, not '0.5'"),
])
def test_parameters_that_make_no_sense(parameters, env, sentence):
    with pytest.raises(ParameterError) as error:
        estimate(model(), parameters, [], env, "vllm")
        estimate(model(), parameters, [{"layers": 32, "total": GIB}], env, "vllm")
    assert str(error.value) == sentence


@given(st.integers(1, 200 * GIB), st.integers(GIB, 200 * GIB), st.integers(256, 200000))
def test_what_is_booked_is_at_least_the_need_and_less_than_a_hundredth_more(weights, total, tokens):
    need = on_gpu(model(weights), ["--max-model-len=%d" % tokens], total=None)
    booked = on_gpu(model(weights), ["--max-model-len=%d" % tokens], total=total)
    assert need <= booked + 1 and booked < need + total // 100 + 1
