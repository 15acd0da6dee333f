# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models of the diffusers library, which make images: a directory with model_index.json and one directory for each component."""

from __future__ import annotations

import os

from ..errors import ModelError
from ..metadata import Part, Weights, elements, metadata
from .json_file import read_object
from .layers import DTYPES, common_dtype
from .weights import read_weights, weight_files

INDEX = "model_index.json"


def models_in(directory, names):
    """See files.py: the whole directory is one model."""
    return {INDEX: directory} if INDEX in names else {}


def read(path):
    """See files.py. ``path``: the directory."""
    index = os.path.join(path, INDEX)
    document = read_object(index)
    pipeline = document.values.get("_class_name")
    if not isinstance(pipeline, str) or not pipeline:
        raise ModelError("names no _class_name, so that no engine knows what to run", index)
    parts, tensors = [], []
    for component in _components(document.values, path):
        names = sorted(os.listdir(component))
        if weight_files(names):
            ours, entries = read_weights(component, names)
            parts += ours
            tensors += entries
    if not tensors:
        raise ModelError("its components hold no weights (*.safetensors); copy or download the whole directory again", index)
    parts.append(Part(index, os.path.getsize(index), document.digest))
    common = common_dtype(tensors)
    return metadata(parts, Weights([], sum(tensor.bytes for tensor in tensors), 0), "image", "it has a model_index.json of diffusers", {
        "format": "safetensors",
        "architecture": pipeline,
        "model_type": None,
        "name": os.path.basename(os.path.abspath(path)) or None,
        "parameters": sum(elements(tensor.dimensions) for tensor in tensors),
        "heads": 0,
        "kv_heads": 0,
        "head_dim_k": 0,
        "head_dim_v": 0,
        "embedding_length": 0,
        "feed_forward_length": None,
        "vocab_size": None,
        "context": None,
        "dtype": DTYPES.get(common),
        "quantization": common,
        "tied": False,
        "experts": 0,
        "sliding_window": None,
        "pooling": None,
        "has_chat_template": False,
        "custom_code": False,
    })


def _components(index, path):
    """The directories of the components that are not switched off ([null, null])."""
    named = [name for name, value in sorted(index.items()) if isinstance(value, list) and value[:1] not in ([], [None])]
    missing = [name for name in named if not os.path.isdir(os.path.join(path, name))]
    if missing:
        raise ModelError("%d of %d components are missing beside it: %s" % (len(missing), len(named), ", ".join(missing)), os.path.join(path, INDEX))
    return [os.path.join(path, name) for name in named]
