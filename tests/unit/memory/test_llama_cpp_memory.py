# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estimate for llama.cpp, against what llama.cpp itself prints and against what has to hold."""

from __future__ import annotations

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.flags import ParameterError
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.memory.llama_cpp import PROCESS_GPU, PROCESS_RAM
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.memory.table import estimate
from hypothesis import given
from hypothesis import strategies as st

MIB = 1024 ** 2
# Shapes of published models; 1 MiB a layer stands for the weights.
LLAMA_8B = dict(layers=32, kv_heads=8, head=128, embedding=4096, feed_forward=14336, vocabulary=128256)
QWEN2_7B = dict(layers=28, kv_heads=4, head=128, embedding=3584, feed_forward=18944, vocabulary=152064)
QWEN3_8B = dict(layers=36, kv_heads=8, head=128, embedding=4096, feed_forward=12288, vocabulary=151936)


def model(layers=32, kv_heads=8, head=128, embedding=4096, feed_forward=14336, vocabulary=128256, **fields):
    return {
        "format": "gguf", "architecture": "llama", "layers": layers, "kv_heads": kv_heads, "head_dim_k": head, "head_dim_v": head,
        "embedding_length": embedding, "feed_forward_length": feed_forward, "vocab_size": vocabulary, "context": 131072,
        "layer_bytes": [MIB] * layers, "input_bytes": 3 * MIB, "output_bytes": 5 * MIB, "tied": False, "category": "llm", **fields,
    }


def parts(metadata, parameters, layers=None):
    return estimate(metadata, parameters, [] if layers is None else [{"layers": layers, "total": None}], {}, "llama_cpp")


# MiB of KV cache and of the compute buffer on the GPU, as llama-server prints them with flash attention on.
@pytest.mark.parametrize("shape, parameters, cache, compute", [
    (LLAMA_8B, ["--ctx-size=8192"], 1024, 116),
    (LLAMA_8B, ["--ctx-size=32768"], 4096, 140),
    (QWEN2_7B, ["--ctx-size=8192"], 448, 140),
    (QWEN2_7B, ["-c=8192", "--cache-type-k=q8_0", "--cache-type-v=q8_0"], 238, 140),
    (QWEN3_8B, ["--ctx-size=8192"], 1152, 104),
])
def test_the_numbers_that_llama_cpp_prints(shape, parameters, cache, compute):
    metadata = model(**shape)
    found = parts(metadata, parameters, metadata["layers"] + 1)
    assert found["parts"]["kv_cache"] == cache * MIB
    rest = found["gpus"][0] - metadata["layers"] * MIB - metadata["output_bytes"] - cache * MIB - PROCESS_GPU
    assert round(rest / MIB) == compute


def test_everything_is_in_ram_without_a_gpu():
    found = parts(model(), ["--ctx-size=8192"])
    assert found["gpus"] == [] and found["parts"]["weights"] == 40 * MIB and found["parts"]["process"] == PROCESS_RAM
    assert found["ram"] == sum(found["parts"].values())


def test_layers_go_to_the_gpu_from_the_end():
    sizes = [MIB * (number + 1) for number in range(4)]
    metadata = model(layers=4, layer_bytes=sizes)
    cpu = parts(metadata, [])["parts"]["weights"]
    one = parts(metadata, [], 1)
    two = parts(metadata, [], 2)
    assert cpu == sum(sizes) + 8 * MIB
    assert two["gpus"][0] - one["gpus"][0] == sizes[-1] + one["parts"]["kv_cache"] // 4


def test_a_tied_output_is_there_twice_on_a_gpu():
    plain, tied = (parts(model(tied=tied), [], 33)["gpus"][0] for tied in (False, True))
    assert tied - plain == 3 * MIB


@pytest.mark.parametrize("parameters, tokens", [
    ([], 8192), (["--ctx-size=1000"], 1024), (["-c=4096"], 4096), (["--ctx-size=0"], 131072), (["--ctx_size=512"], 512),
])
def test_the_context_that_counts(parameters, tokens):
    assert parts(model(), parameters)["parts"]["kv_cache"] == tokens * 32 * 8 * 128 * 2 * 2


def test_the_default_context_is_not_more_than_the_model_has():
    assert parts(model(context=2048), [])["parts"]["kv_cache"] == 2048 * 32 * 8 * 128 * 2 * 2


def test_heads_that_differ_by_layer_and_encoders():
    assert parts(model(layers=3, layer_bytes=[MIB] * 3, kv_heads=[8, 0, 4]), ["-c=256"])["parts"]["kv_cache"] == 256 * 12 * 128 * 2 * 2
    assert parts(model(architecture="bert", category="embedding"), [])["parts"]["kv_cache"] == 0


def test_prompt_cache_and_cache_on_the_host_are_booked():
    assert parts(model(), ["--cache-ram=1024"])["ram"] - parts(model(), [])["ram"] == 1024 * MIB
    cache = parts(model(), [], 33)["parts"]["kv_cache"]
    assert parts(model(), [], 33)["gpus"][0] - parts(model(), ["--no-kv-offload"], 33)["gpus"][0] == cache


@pytest.mark.parametrize("parameter, sentence", [
    ("--cache-type-k=q9", "the parameter --cache-type-k needs one of bf16, f16, f32, iq4_nl, q4_0, q4_1, q5_0, q5_1, q8_0, not 'q9'"),
    ("--ctx-size=8k", "the parameter --ctx-size needs a whole number, not '8k'"),
    ("--ctx-size", "the parameter --ctx-size needs a value"),
])
def test_parameters_that_make_no_sense(parameter, sentence):
    with pytest.raises(ParameterError) as error:
        parts(model(), [parameter])
    assert str(error.value) == sentence


@given(st.integers(1, 40), st.integers(256, 65536), st.booleans())
def test_more_layers_on_the_gpu_take_more_of_it_and_less_ram(layers, tokens, tied):
    metadata = model(layers=layers, layer_bytes=[MIB] * layers, tied=tied)
    found = [parts(metadata, ["--ctx-size=%d" % tokens], number) for number in range(1, layers + 2)]
    gpus, rams = [item["gpus"][0] for item in found], [item["ram"] for item in found]
    assert gpus == sorted(gpus) and rams == sorted(rams, reverse=True)
    assert all(sum(item["parts"].values()) >= item["ram"] for item in found)
