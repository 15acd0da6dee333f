# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads config.json, which every model for the transformers library has.

The names of its keys differ between architectures. Sources: the configurations of transformers, and which of them vLLM reads
(vllm/transformers_utils/model_arch_config_convertor.py, vllm/config/model.py).
"""

from __future__ import annotations

import math

from ..counts import is_count, largest, per_layer
from ..errors import ModelError

# Models that take more than text keep what the planner needs here, some of them one level deeper.
_WRAPPERS = ("thinker_config", "vlm_config")
_TEXT = ("text_config", "llm_config", "language_config", "decoder", "text_encoder")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")
_MOST_LAYERS = 10000
_HEADS = ("num_attention_heads", "n_head", "n_heads", "decoder_attention_heads")
_KV_HEADS = ("num_key_value_heads", "n_head_kv", "num_kv_heads", "multi_query_group_num", "num_attention_groups")
_HEAD_SIZES = ("head_dim", "attention_head_dim", "hidden_size_per_head")
_KINDS = ("layer_types", "layers_block_type")
_EMBEDDING = ("hidden_size", "n_embd", "d_model")
_FEED_FORWARD = ("intermediate_size", "n_inner", "ffn_hidden_size", "decoder_ffn_dim", "d_ff")
_EXPERTS = ("num_experts", "moe_num_experts", "n_routed_experts", "num_local_experts")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_target_positions", "max_sequence_length",
            "max_seq_length", "seq_len")
# The length that these leave in config.json is the stretched one; of the others it is the one before their factor.
_STRETCHED = ("su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling")
# Layers that keep no keys and values of earlier tokens, but a state of fixed size, or nothing. What is newer than this list counts as attention.
_WITHOUT_CACHE = ("linear_attention", "mamba", "mamba2", "conv", "recurrent", "moe", "mlp")
# Multi-head latent attention whose compressed vector vLLM caches as it is. Of all other models engines expand it first.
_COMPRESSED = (
    "axk1", "bailing_hybrid", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots3_note", "glm4_moe_lite", "glm5_next", "glm5_next_text",
    "glm_moe_dsa", "hy_v4", "kimi_k2", "kimi_linear", "longcat_flash", "pangu_ultra_moe",
)


class Config:
    """config.json as numbers of the language model in it. ``values``: the JSON object. Raises ModelError without architectures."""

    def __init__(self, values):
        names = values.get("architectures")
        if not isinstance(names, list) or not names or not isinstance(names[0], str) or not names[0]:
            raise ModelError("names no architectures, so that no engine knows what to run; take the config.json of the original model")
        self.architecture = names[0]
        self.values = values
        whole = next((values[key] for key in _WRAPPERS if isinstance(values.get(key), dict)), values)
        self.text = next((whole[key] for key in _TEXT if isinstance(whole.get(key), dict)), whole)
        self.model_type = _text(values.get("model_type"))
        kinds = self._first(_KINDS)
        self._kinds = kinds if isinstance(kinds, list) else []
        layers = largest(self._first(_LAYERS), len(self._kinds) or None)
        self.layers = layers if layers is not None and layers <= _MOST_LAYERS else None
        self.heads = per_layer(self._first(_HEADS), 0)
        self.embedding_length = largest(self._first(_EMBEDDING), 0)
        self.feed_forward_length = per_layer(self._first(_FEED_FORWARD), None)
        self.experts = largest(self._first(_EXPERTS), 0)
        self.vocab_size = largest(self._first(["vocab_size"]), None)
        self.tied = self._either("tie_word_embeddings")
        self.custom_code = bool(values.get("auto_map"))

    def dtype(self):
        """The type to compute in, e.g. "bfloat16", or None where it does not say."""
        named = self._either("dtype") or self._either("torch_dtype")
        return named.split(".")[-1] if isinstance(named, str) else None

    def context(self):
        """The most tokens of one request, as vLLM derives them, or None."""
        lengths = [self.text[key] for key in _CONTEXT if is_count(self.text.get(key))]
        length = self.text.get("model_max_length") or min(lengths, default=None)
        if not is_count(length) or str(self.text.get("model_type")).startswith("gemma3"):
            return length if is_count(length) else None
        factor = 1
        for scaling in self._scalings():
            given = scaling.get("factor")
            if scaling.get("rope_type", scaling.get("type")) not in _STRETCHED and isinstance(given, (int, float)) and 0 < given < math.inf:
                factor = given
        return int(length * factor)

    def cache(self):
        """``(kv_heads, head_dim_k, head_dim_v)``: a token takes kv_heads x (k + v) values of a layer; kv_heads 0 where it keeps none.

        Multi-head latent attention caches one compressed vector with the rotary part behind it, for keys and values at once:
        (1, kv_lora_rank + qk_rope_head_dim, 0). Layers without attention are known where config.json lists them.
        """
        rank, rotary = largest(self.text.get("kv_lora_rank"), 0), largest(self.text.get("qk_rope_head_dim"), 0)
        heads, head = per_layer(self._first(_KV_HEADS), self.heads), self._head()
        dims = (head, head)
        if rank and self.text.get("model_type") in _COMPRESSED:
            heads, dims = 1, (rank + rotary, 0)
        elif rank and rotary:
            width = largest(self.text.get("qk_nope_head_dim"), 0) + rotary
            heads, dims = self.heads, (width, width)
        elif self.text.get("multi_query") is True and not self.text.get("new_decoder_architecture"):
            heads = 1
        return (self._without_others(heads),) + dims

    def sliding_window(self):
        """Tokens that sliding layers look back, or None."""
        window = self.text.get("sliding_window")
        return window if is_count(window) and window and self.text.get("use_sliding_window") is not False else None

    def _head(self):
        given = self._first(_HEAD_SIZES)
        heads = largest(self.heads, 0)
        return given if is_count(given) and given else self.embedding_length // heads if heads else 0

    def _without_others(self, heads):
        """``heads`` for each layer, 0 where it has no attention; one number where all layers have the same."""
        interval = self.text.get("full_attention_interval")
        if self._kinds and len(self._kinds) == self.layers:
            attention = [kind not in _WITHOUT_CACHE for kind in self._kinds]
        elif is_count(interval) and interval and self.layers:
            attention = [layer % interval == interval - 1 for layer in range(self.layers)]
        else:
            return heads
        each = heads if isinstance(heads, list) else [heads] * self.layers
        return per_layer([number if attends else 0 for number, attends in zip(each, attention)], heads)

    def _scalings(self):
        """The rope scalings: one for all layers, or (a dictionary of dictionaries) one for each kind of layer."""
        for key in ("rope_parameters", "rope_scaling"):
            given = self.text.get(key)
            if isinstance(given, dict):
                nested = [value for value in given.values() if isinstance(value, dict)]
                return nested or [given]
        return []

    def _first(self, keys):
        return next((self.text[key] for key in keys if self.text.get(key) is not None), None)

    def _either(self, key):
        return self.values[key] if self.values.get(key) is not None else self.text.get(key)


def _text(value):
    return value if isinstance(value, str) else None
