# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a GGUF model is for, and which rule said so.

The architectures are the names that llama.cpp and other GGUF writers put into general.architecture.
"""

from __future__ import annotations

from ..categories import NO_RULE, by_name

# llama.cpp's llama_pooling_type.
POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}

ENCODERS = frozenset([
    "bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "llama-embed", "modern-bert", "neo-bert",
    "nomic-bert", "nomic-bert-moe", "t5encoder",
])
# Language models that write by diffusion: their attention is not causal, and yet they are no encoders.
DIFFUSION_LANGUAGE_MODELS = frozenset(["dream", "llada", "llada-moe", "rnd1"])
OTHERS = {
    "image": frozenset([
        "aura", "cosmos", "diffusion", "flux", "hidream", "hyvid", "lumina2", "ltxv", "qwen_image", "sd1", "sd3",
        "sdxl", "wan",
    ]),
    "speech_to_text": frozenset(["whisper"]),
    "text_to_speech": frozenset(["outetts", "qwen3tts", "wavtokenizer-dec"]),
}


def categorize(architecture, pooling=None, causal=None, classifier=False, name=None):
    """``(category, rule)`` of a model.

    ``pooling``: name of :data:`POOLING` or None; ``causal``: attention.causal of the header or None;
    ``classifier``: whether it has classifier tensors; ``name``: general.name or None. The first rule that fits counts.
    """
    for category, architectures in OTHERS.items():
        if architecture in architectures:
            return category, "architecture %s" % architecture
    if pooling == "rank":
        return "reranker", "pooling rank"
    if classifier:
        return "reranker", "classifier tensors"
    if pooling not in (None, "none"):
        return "embedding", "pooling %s" % pooling
    if architecture in ENCODERS:
        return "embedding", "architecture %s is an encoder" % architecture
    if causal is False and architecture not in DIFFUSION_LANGUAGE_MODELS:
        return "embedding", "attention is not causal"
    return by_name(name) or NO_RULE
