"""Which rule decides what a model is for."""

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.categories import CATEGORIES
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.gguf.categories import OTHERS, categorize
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.safetensors.categories import (
    categorize as categorize_transformers,
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
def test_rules_of_gguf(facts, category, rule):
    assert categorize(**facts) == (category, rule)


@pytest.mark.parametrize(
    "architecture, modules, name, category, rule",
    [
        ("LlamaForCausalLM", [], "Llama-3.1-8B-Instruct", "llm", "architecture LlamaForCausalLM"),
        ("Qwen2VLForConditionalGeneration", [], None, "llm", "architecture Qwen2VLForConditionalGeneration"),
        ("GPT2LMHeadModel", [], "gpt2", "llm", "architecture GPT2LMHeadModel"),
        ("ChatGLMModel", [], "chatglm3-6b", "llm", "architecture ChatGLMModel"),
        ("InternVLChatModel", [], "InternVL2-8B", "llm", "architecture InternVLChatModel"),
        ("MiniCPMV", [], "MiniCPM-V-2_6", "llm", "no other rule fits"),
        ("BertModel", [], "bge-small-en", "embedding", "architecture BertModel is an encoder"),
        ("XLMRobertaModel", [], "bge-m3", "embedding", "architecture XLMRobertaModel is an encoder"),
        ("Qwen3ForCausalLM", ["sentence_transformers.models.Transformer"], "x", "embedding", "it has the modules.json of sentence-transformers"),
        ("Qwen3ForCausalLM", ["sentence_transformers.cross_encoder.modules.LogitScore"], "x", "reranker", "modules.json speaks of a cross encoder"),
        ("Qwen3ForCausalLM", [], "Qwen3-Reranker-4B", "reranker", "its name is Qwen3-Reranker-4B"),
        ("Qwen3ForCausalLM", [], "Qwen3-Embedding-4B", "embedding", "its name is Qwen3-Embedding-4B"),
        ("XLMRobertaForSequenceClassification", [], "bge-reranker-v2-m3", "reranker", "architecture XLMRobertaForSequenceClassification"),
        ("WhisperForConditionalGeneration", [], "whisper-large-v3", "speech_to_text", "architecture WhisperForConditionalGeneration"),
        ("Qwen3ASRForConditionalGeneration", [], "Qwen3-ASR", "speech_to_text", "architecture Qwen3ASRForConditionalGeneration"),
        ("Qwen3TTSForConditionalGeneration", [], "Qwen3-TTS", "text_to_speech", "architecture Qwen3TTSForConditionalGeneration"),
        ("DiaForConditionalGeneration", [], "Dia-1.6B", "text_to_speech", "architecture DiaForConditionalGeneration"),
        ("DiagnosisForCausalLM", [], "x", "llm", "architecture DiagnosisForCausalLM"),
    ],
)
def test_rules_of_transformers(architecture, modules, name, category, rule):
    assert categorize_transformers(architecture, modules, name) == (category, rule)


def test_only_known_categories():
    assert set(OTHERS) < set(CATEGORIES)
