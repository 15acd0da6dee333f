# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models as directories of safetensors with config.json and a tokenizer. Touches the file system, changes nothing."""

from __future__ import annotations

import os

from ..counts import is_count
from ..errors import ModelError
from ..metadata import Part, metadata
from .categories import categorize
from .companions import Companions
from .config import Config
from .diffusers import INDEX as DIFFUSERS
from .json_file import read_object
from .layers import DTYPES, common_dtype, has_head, layer_weights
from .quantization import parameters, quantization
from .weights import read_weights, weight_files

CONFIG = "config.json"
# Categories whose engines take text.
_READS_TEXT = ("llm", "embedding", "reranker")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def models_in(directory, names):
    """See files.py: the whole directory is one model."""
    if DIFFUSERS in names:
        return {}
    weights = weight_files(names)
    return {weights[0]: directory} if weights else {}


def why_none(names):
    """A sentence about a directory (its sorted names) that looks like a model of this kind and has no weights, or None."""
    pickles = sorted((name for name in names if name.endswith(_PICKLES)), key=lambda name: not name.startswith("pytorch_model"))
    if CONFIG in names and pickles:
        return "has its weights in %s; only safetensors are served, convert them (save_pretrained of transformers writes safetensors)" % pickles[0]
    if CONFIG in names:
        return "has a config.json, but no weights (*.safetensors); copy or download the whole directory again"
    return None


def read(path):
    """See files.py. ``path``: the directory."""
    names = sorted(os.listdir(path))
    if CONFIG not in names:
        raise ModelError(_without_config(names))
    document = read_object(os.path.join(path, CONFIG))
    try:
        config = Config(document.values)
    except ModelError as error:
        raise ModelError(error.sentence, os.path.join(path, CONFIG)) from error
    parts, tensors = read_weights(path, names)
    companions = Companions(path, names)
    name = _name(path)
    category, rule = categorize(config.architecture, [kind for kind, _path in companions.modules], name)
    if category in _READS_TEXT:
        companions.require_tokenizer()
    known = {CONFIG: document.digest}
    for companion in companions.files():
        where = os.path.join(path, companion)
        parts.append(Part(where, os.path.getsize(where), known.get(companion)))
    return metadata(parts, layer_weights(tensors, config.layers), category, rule, _facts(config, tensors, companions, name, category))


def _facts(config, tensors, companions, name, category):
    common = common_dtype(tensors)
    found = quantization(config.values, companions.quantization())
    kv_heads, head_dim_k, head_dim_v = config.cache()
    return {
        "format": "safetensors",
        "architecture": config.architecture,
        "model_type": config.model_type,
        "name": name,
        "parameters": parameters(tensors, found),
        "heads": config.heads,
        "kv_heads": kv_heads,
        "head_dim_k": head_dim_k,
        "head_dim_v": head_dim_v,
        "embedding_length": config.embedding_length,
        "feed_forward_length": config.feed_forward_length,
        "vocab_size": config.vocab_size,
        "context": _context(config, companions, category),
        "dtype": config.dtype() or DTYPES.get(common),
        "quantization": found.label if found else common,
        "tied": category == "llm" and (config.tied is True or config.tied is None and not has_head(tensors)),
        "experts": config.experts,
        "sliding_window": config.sliding_window(),
        "pooling": companions.pooling(),
        "has_chat_template": companions.has_chat_template(),
        "custom_code": config.custom_code or companions.has_custom_code(),
    }


def _context(config, companions, category):
    """As vLLM derives it: pooling models with absolute positions take no more than their tokenizer says."""
    length = config.context()
    limit = companions.tokenizer_config.get("model_max_length")
    if category != "llm" and config.text.get("position_embedding_type") == "absolute" and length and is_count(limit):
        length = min(length, limit)
    return companions.longest_text() or length


def _without_config(names):
    if "adapter_config.json" in names:
        return "a LoRA adapter, not a model that can be served by itself"
    if "params.json" in names:
        return "has params.json in place of config.json (Mistral's own layout); take the files for transformers of the same model"
    return "config.json is missing beside %s; copy or download the whole directory again" % weight_files(names)[0]


def _name(directory):
    """The directory's name; in the cache of the Hugging Face hub (models--ORG--NAME/snapshots/REVISION) the repository's."""
    parts = os.path.abspath(directory).split(os.sep)
    if parts[-2:-1] == ["snapshots"] and parts[-3].startswith("models--"):
        return parts[-3].split("--")[-1]
    return parts[-1] or None
