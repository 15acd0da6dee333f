"""What config.json says of real architectures, in the words of the planner."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.errors import ModelError
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.safetensors.config import Config
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.safetensors.header import Tensor
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.safetensors.quantization import (
    parameters,
    quantization,
)
from hypothesis import given as generated
from hypothesis import strategies as st

LLAMA_31_8B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
    "rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
}  # fmt: skip


def config(base=None, **fields):
    return Config({**(LLAMA_31_8B if base is None else base), **fields})


def test_a_llama():
    found = config()
    assert (found.architecture, found.model_type, found.layers, found.heads) == ("LlamaForCausalLM", "llama", 32, 32)
    assert (found.embedding_length, found.feed_forward_length, found.vocab_size, found.experts) == (4096, 14336, 128256, 0)
    assert (found.context(), found.dtype(), found.tied, found.custom_code) == (131072, "bfloat16", False, False)
    assert found.cache() == (8, 128, 128)
    assert found.sliding_window() is None


@pytest.mark.parametrize("values", [{}, {"architectures": []}, {"architectures": [None]}, {"architectures": "Llama"}])
def test_no_architectures(values):
    with pytest.raises(ModelError, match="names no architectures"):
        Config(values)


def test_older_names_of_keys():
    found = config({"architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "n_inner": None})
    assert (found.layers, found.heads, found.embedding_length, found.context()) == (12, 12, 768, 1024)
    assert found.cache() == (12, 64, 64)
    assert (found.feed_forward_length, found.dtype(), found.model_type) == (None, None, None)


def test_values_of_senseless_types_count_as_not_there():
    found = config(num_attention_heads="32", hidden_size=-1, max_position_embeddings=4.5, torch_dtype=16, rope_scaling=[], vocab_size=True)
    assert (found.heads, found.embedding_length, found.context(), found.dtype(), found.vocab_size) == (0, 0, None, None, None)


@pytest.mark.parametrize(
    "fields, tokens",
    [
        ({"rope_scaling": None}, 131072),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, 262144),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 1.5}}, 196608),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}, 131072),
        ({"rope_scaling": {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}}, 131072),
        ({"rope_scaling": {"type": "linear", "factor": None}}, 131072),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2, "rope_theta": 1e4}, "rope_scaling": None}, 262144),
        ({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8}, "sliding_attention": {"rope_type": "default"}}}, 1048576),
        ({"model_type": "gemma3_text", "rope_scaling": {"rope_type": "linear", "factor": 8.0}}, 131072),
        ({"max_position_embeddings": 8192, "model_max_length": 131072, "rope_scaling": None}, 131072),
        ({"seq_length": 32768, "rope_scaling": None}, 32768),
    ],
)
def test_context_as_engines_derive_it(fields, tokens):
    assert config(**fields).context() == tokens


@pytest.mark.parametrize(
    "fields, cache",
    [
        ({"head_dim": 256}, (8, 256, 256)),
        ({"head_dim": None, "num_key_value_heads": None}, (32, 128, 128)),
        ({"multi_query": True, "num_key_value_heads": None}, (1, 128, 128)),
        ({"multi_query": True, "new_decoder_architecture": True, "num_kv_heads": 8, "num_key_value_heads": None}, (8, 128, 128)),
        # DeepSeek-V3: one vector of 512 + 64 values for keys and values at once.
        ({"model_type": "deepseek_v3", "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128}, (1, 576, 0)),
        ({"model_type": "minicpm3", "kv_lora_rank": 256, "qk_rope_head_dim": 32, "qk_nope_head_dim": 64}, (32, 96, 96)),
        ({"model_type": "newer", "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128}, (32, 192, 192)),
        ({"kv_lora_rank": None}, (8, 128, 128)),
        ({"num_hidden_layers": 4, "layer_types": ["linear_attention"] * 3 + ["full_attention"]}, ([0, 0, 0, 8], 128, 128)),
        ({"num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2}, (8, 128, 128)),
        ({"num_hidden_layers": 4, "full_attention_interval": 2}, ([0, 8, 0, 8], 128, 128)),
        ({"num_hidden_layers": 3, "layers_block_type": ["mamba", "attention", "mamba"]}, ([0, 8, 0], 128, 128)),
        ({"num_hidden_layers": 2, "layers_block_type": ["mamba", "mamba"]}, (0, 128, 128)),
        ({"num_hidden_layers": None, "layers_block_type": ["mamba", "moe", "attention"]}, ([0, 0, 8], 128, 128)),
        ({"num_hidden_layers": 2, "layer_types": ["a_new_attention", "full_attention"]}, (8, 128, 128)),
        ({"num_hidden_layers": 2, "layer_types": [["linear_attention"], "full_attention"]}, (8, 128, 128)),
        ({"num_hidden_layers": 2, "num_key_value_heads": [4, 8]}, ([4, 8], 128, 128)),
    ],
)
def test_what_a_token_takes_of_the_cache(fields, cache):
    assert config(**fields).cache() == cache


KEYS = [
    *LLAMA_31_8B, "kv_lora_rank", "qk_rope_head_dim", "layer_types", "full_attention_interval", "text_config", "sliding_window", "head_dim",
    "model_max_length", "multi_query", "quantization_config", "factor", "rope_type", "bits", "quant_method", "config_groups", "weights", "auto_map",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.floats() | st.sampled_from(["", "yarn", "gptq", "compressed-tensors", "modelopt"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@generated(st.dictionaries(st.sampled_from([key for key in KEYS if key != "architectures"]), JSON, max_size=8))
def test_no_value_surprises(values):
    found = config({"architectures": ["X"], **values})
    heads, head_dim_k, head_dim_v = found.cache()
    assert all(number >= 0 for number in (heads if isinstance(heads, list) else [heads]) + [head_dim_k, head_dim_v])
    assert found.context() is None or found.context() >= 0
    assert found.sliding_window() is None or found.sliding_window() > 0
    assert found.dtype() is None or isinstance(found.dtype(), str)
    told = quantization(values)
    assert parameters([Tensor("w", "I32", (4, 4), 64)], told) >= 0


def test_sliding_windows():
    assert config(sliding_window=4096).sliding_window() == 4096
    assert config(sliding_window=131072, use_sliding_window=False).sliding_window() is None
    assert config(sliding_window=0).sliding_window() is None


def test_the_language_model_inside_a_larger_one():
    text = {"hidden_size": 2560, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "num_hidden_layers": 34,
            "max_position_embeddings": 131072, "vocab_size": 262208}  # fmt: skip
    whole = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "torch_dtype": "bfloat16", "vision_config": {"hidden_size": 1152}}
    for nested in ({"text_config": text}, {"llm_config": text}, {"thinker_config": {"text_config": text}}):
        found = config({**whole, **nested})
        assert (found.layers, found.context(), found.cache(), found.dtype()) == (34, 131072, (4, 256, 256), "bfloat16")
        assert found.vocab_size == 262208


@pytest.mark.parametrize("key", ["num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"])
def test_experts(key):
    assert config(**{key: 128}).experts == 128


WEIGHTS_8 = {"num_bits": 8, "type": "int"}


@pytest.mark.parametrize(
    "given, label, bits",
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "AWQ 4-bit", 4),
        ({"quant_method": "gptq", "bits": 4}, "GPTQ 4-bit", 4),
        ({"quant_method": "gptq", "bits": 8}, "GPTQ 8-bit", 8),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "FP8", 8),
        ({"quant_method": "mxfp4"}, "MXFP4", 4),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4-bit", 4),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes 8-bit", 8),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": WEIGHTS_8, "input_activations": WEIGHTS_8}}},
            "compressed-tensors W8A8",
            8,
        ),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}, "input_activations": None}}},
            "compressed-tensors W4A16",
            4,
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}, "input_activations": {"num_bits": 8}}},
            },
            "compressed-tensors W8A8 FP8",
            8,
        ),
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "NVFP4"}}, "ModelOpt NVFP4", 4),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "ModelOpt FP8", 8),
        ({"quant_method": "auto-round", "bits": 2}, "auto-round 2-bit", 2),
    ],
)
def test_quantization(given, label, bits):
    assert quantization({"quantization_config": given}) == (label, bits)
    assert quantization({"text_config": {"quantization_config": given}}) == (label, bits)


def test_quantization_where_it_is_not_in_the_usual_place():
    assert quantization({}) is None
    assert quantization({"compression_config": {"quant_method": "compressed-tensors"}}) == ("compressed-tensors W16A16", 16)
    assert quantization({}, {"quantization": {"quant_algo": "FP8"}}) == ("ModelOpt FP8", 8)


def test_packed_weights_are_counted_one_by_one():
    awq = [Tensor("q.qweight", "I32", (128, 16), 0), Tensor("q.qzeros", "I32", (1, 16), 0), Tensor("q.scales", "F16", (1, 128), 0)]
    assert parameters(awq, quantization({"quantization_config": {"quant_method": "awq", "bits": 4}})) == 128 * 128
    mxfp4 = [Tensor("gate_up_proj_blocks", "U8", (2, 8, 16), 0), Tensor("gate_up_proj_scales", "U8", (2, 8), 0), Tensor("norm.weight", "BF16", (64,), 0)]
    assert parameters(mxfp4, quantization({"quantization_config": {"quant_method": "mxfp4"}})) == 2 * 8 * 32 + 64
    fp8 = [Tensor("q.weight", "F8_E4M3", (128, 128), 0), Tensor("q.weight_scale_inv", "F32", (1, 1), 0)]
    assert parameters(fp8, quantization({"quantization_config": {"quant_method": "fp8"}})) == 128 * 128
    assert parameters([Tensor("model.scale", "F32", (3,), 0)], None) == 3
