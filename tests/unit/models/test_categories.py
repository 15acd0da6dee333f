"""Which rule decides what a model is for."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.categories import (
    CATEGORIES,
    OTHERS,
    categorize,
)


@pytest.mark.parametrize(
    "facts, category, rule",
    [
        ({"architecture": "llama"}, "llm", "no other rule fits"),
        ({"architecture": "llama", "causal": True, "pooling": "none"}, "llm", "no other rule fits"),
        ({"architecture": "qwen3", "pooling": "last"}, "embedding", "pooling last"),
        ({"architecture": "qwen3", "pooling": "rank"}, "reranker", "pooling rank"),
        ({"architecture": "bert"}, "embedding", "architecture bert is an encoder"),
        ({"architecture": "bert", "pooling": "cls", "classifier": True}, "reranker", "classifier tensors"),
        ({"architecture": "gemma3", "causal": False}, "embedding", "attention is not causal"),
        ({"architecture": "dream", "causal": False}, "llm", "no other rule fits"),
        ({"architecture": "qwen3", "name": "Qwen3 Embedding 0.6B"}, "embedding", "its name is Qwen3 Embedding 0.6B"),
        ({"architecture": "qwen3", "name": "Qwen3-Reranker-4B"}, "reranker", "its name is Qwen3-Reranker-4B"),
        ({"architecture": "llama", "name": "Embedded Coder"}, "llm", "no other rule fits"),
        ({"architecture": "flux"}, "image", "architecture flux"),
        ({"architecture": "whisper", "pooling": "mean"}, "speech_to_text", "architecture whisper"),
        ({"architecture": "wavtokenizer-dec"}, "text_to_speech", "architecture wavtokenizer-dec"),
    ],
)
def test_rules(facts, category, rule):
    assert categorize(**facts) == (category, rule)


def test_only_known_categories():
    assert set(OTHERS) < set(CATEGORIES)
