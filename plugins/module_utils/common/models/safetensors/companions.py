# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a model's directory beside weights and config.json: tokenizer, chat template, the modules of sentence-transformers."""

from __future__ import annotations

import os

from ..counts import is_count
from ..disk import opened
from ..errors import ModelError
from ..mistaken import BYTES, mistaken
from .json_file import read_json, read_object

TOKENIZER_CONFIG = "tokenizer_config.json"
MODULES = "modules.json"
_CHAT_TEMPLATES = ("chat_template.jinja", "chat_template.json")
# Each alone is a tokenizer: of the tokenizers library, sentencepiece, tiktoken, Mistral, BERT.
_TOKENIZERS = ("tokenizer.json", "tekken.json", "vocab.txt")
_TOKENIZER_SUFFIXES = (".model", ".tiktoken")
_TOKENIZER_PAIR = ("vocab.json", "merges.txt")
_ENGINE_SUFFIXES = (".json", ".jinja", ".model", ".tiktoken", ".py", ".txt")
_SENTENCE_CONFIGS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")
_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "last"}


class Companions:
    """``directory`` with its sorted ``names``. Raises ModelError and OSError while reading."""

    def __init__(self, directory, names):
        self._directory = directory
        self._names = names
        self.tokenizer_config = self._object(TOKENIZER_CONFIG)
        self.modules = self._modules()

    def files(self):
        """Names of the files that engines read, config.json among them, and those of sentence-transformers' modules; no weights."""
        ours = [name for name in self._names if name.endswith(_ENGINE_SUFFIXES) and not name.startswith(".")
                and not name.endswith(".index.json")]
        configs = [os.path.join(path, "config.json") for _kind, path in self.modules if path]
        return ours + [name for name in configs if os.path.exists(os.path.join(self._directory, name))]

    def require_tokenizer(self):
        """Raises ModelError when there is no tokenizer or only a pointer to one."""
        names = [name for name in self._names if name in _TOKENIZERS or name.endswith(_TOKENIZER_SUFFIXES)]
        if not names and not set(_TOKENIZER_PAIR) <= set(self._names):
            raise ModelError("its tokenizer is missing: neither tokenizer.json nor tokenizer.model, tekken.json, or vocab.json with merges.txt; "
                             "copy or download the whole directory again")
        for name in names:
            with opened(os.path.join(self._directory, name)) as (stream, size):
                what = mistaken(stream.read(BYTES), size)
                if what:
                    raise ModelError(what)

    def has_chat_template(self):
        return bool(self.tokenizer_config.get("chat_template")) or not set(_CHAT_TEMPLATES).isdisjoint(self._names)

    def has_custom_code(self):
        return bool(self.tokenizer_config.get("auto_map"))

    def longest_text(self):
        """Tokens that sentence-transformers takes of a text, or None."""
        for name in _SENTENCE_CONFIGS:
            length = self._object(name).get("max_seq_length")
            if is_count(length) and length:
                return length
        return None

    def pooling(self):
        """"mean", "cls", "last" or None: how sentence-transformers makes one vector of many."""
        for kind, path in self.modules:
            if kind.endswith(".Pooling"):
                modes = read_object(os.path.join(self._directory, path, "config.json")).values
                return next((name for key, name in _POOLING.items() if modes.get(key) is True), None)
        return None

    def quantization(self):
        """The JSON object of ModelOpt's own file, or {}."""
        return self._object("hf_quant_config.json")

    def _object(self, name):
        return read_object(os.path.join(self._directory, name)).values if name in self._names else {}

    def _modules(self):
        """[(type, path)] of modules.json."""
        if MODULES not in self._names:
            return []
        entries = read_json(os.path.join(self._directory, MODULES)).values
        entries = entries if isinstance(entries, list) else []
        return [(str(entry.get("type")), str(entry.get("path"))) for entry in entries if isinstance(entry, dict)]
