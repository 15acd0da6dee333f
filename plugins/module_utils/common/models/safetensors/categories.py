# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model for the transformers library is for, and which rule said so.

The architectures are the class names in config.json: of transformers, and of the models that vLLM adds.
"""

from __future__ import annotations

import re

from ..categories import NO_RULE, by_name

_ARCHITECTURES = (
    ("speech_to_text", re.compile(r"ASR|Asr|Speech2Text|Transcribe|ForCTC$|^(Whisper|Voxtral|GraniteSpeech|FunAudioChat|FireRed)")),
    ("text_to_speech", re.compile(r"TTS|Tts|TextToSpeech|TextToWaveform|^(Bark|CosyVoice|Csm|Parler|Vits|Dia(?=For|Model))")),
    ("reranker", re.compile(r"For(Sequence|Token)Classification$|ForRanking$|Rerank")),
)
_GENERATES = re.compile(
    r"For(CausalLM|ConditionalGeneration)$|(LMHead|Chat|Omni)Model$|^(ChatGLM|MiDashengLM|MossAudio|Ultravox)Model$")
_ENCODER = re.compile(r"Model$|ForMaskedLM$|ForRetrieval$|Embed|ColBERT|^ColQwen")


def categorize(architecture, modules, name):
    """``(category, rule)``. The first rule that fits counts.

    ``modules``: the types in modules.json, by which the sentence-transformers library knows its models; ``name``: of the model, or None.
    """
    for category, pattern in _ARCHITECTURES:
        if pattern.search(architecture):
            return category, "architecture %s" % architecture
    if any("cross_encoder" in module for module in modules):
        return "reranker", "modules.json speaks of a cross encoder"
    if modules:
        return "embedding", "it has the modules.json of sentence-transformers"
    if _ENCODER.search(architecture) and not _GENERATES.search(architecture):
        return "embedding", "architecture %s is an encoder" % architecture
    named = by_name(name)
    if named is None and _GENERATES.search(architecture):
        return "llm", "architecture %s" % architecture
    return named or NO_RULE
