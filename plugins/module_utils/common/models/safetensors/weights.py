# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a directory hold the weights, and whether they are all there and whole."""

from __future__ import annotations

import os
import re

from ..disk import opened, some
from ..errors import ModelError
from ..metadata import Part
from .header import read_header
from .json_file import read_object

SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"
# The same weights once more, under the names of Mistral's own code.
_SECOND_COPY = "consolidated"
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")


def weight_files(names):
    """The names of safetensors files and of indexes among ``names``."""
    return [name for name in names if name.endswith((SUFFIX, INDEX_SUFFIX)) and not name.startswith(".")]


def read_weights(directory, names):
    """``(parts, tensors)``: the files as metadata.Part, those with weights first, then the index; the header entries of all tensors.

    ``names``: sorted names in ``directory``. Raises ModelError, which says what is missing or broken, and OSError.
    """
    ours = _without_variants(weight_files(names))
    indexes = [name for name in ours if name.endswith(INDEX_SUFFIX)]
    if len(indexes) > 1:
        raise ModelError("holds %d indexes of weights (%s); keep the one of the weights that shall be served" % (len(indexes), some(indexes)))
    if indexes:
        path = os.path.join(directory, indexes[0])
        document = read_object(path)
        placed = _weight_map(document.values, path)
        wanted = sorted(set(placed.values()))
        extra = [Part(path, os.path.getsize(path), document.digest)]
    else:
        path, placed, wanted, extra = None, {}, _with_all_numbers(ours), []
    missing = [name for name in wanted if not os.path.exists(os.path.join(directory, name))]
    if missing:
        raise ModelError("%d of %d parts are missing beside it: %s" % (len(missing), len(wanted), some(missing)), path)
    headers = [_header(os.path.join(directory, name)) for name in wanted]
    tensors = _merged(wanted, headers, indexes)
    lost = sorted(set(placed) - {tensor.name for tensor in tensors})
    if lost:
        raise ModelError("names %d tensors that no part holds (%s); the parts are of another model, copy or download them again"
                         % (len(lost), some(lost)), path)
    parts = [Part(os.path.join(directory, name), header.file_bytes, header.digest) for name, header in zip(wanted, headers)]
    return parts + extra, tensors


def _without_variants(names):
    """``names`` without second copies: Mistral's, and those in another type (``model.fp16.safetensors``). All where there is nothing else."""
    ours = [name for name in names if not name.startswith(_SECOND_COPY)] or names
    return [name for name in ours if name.count(".") == (3 if name.endswith(INDEX_SUFFIX) else 1)] or ours


def _weight_map(index, path):
    """{tensor: file name} of an index."""
    placed = index.get("weight_map")
    sound = isinstance(placed, dict) and placed and all(isinstance(name, str) and name == os.path.basename(name) for name in placed.values())
    if not sound:
        raise ModelError("is no index of weights: it has no weight_map from tensors to files beside it; copy or download it again", path)
    return placed


def _with_all_numbers(names):
    """``names`` and the parts that their numbers speak of: ``-00001-of-00003`` means that there are three."""
    wanted = set(names)
    for name in names:
        match = _SHARD.fullmatch(name)
        if match:
            count = int(match["count"])
            wanted.update("%s-%05d-of-%05d%s" % (match["stem"], number, count, SUFFIX) for number in range(1, count + 1))
    return sorted(wanted)


def _header(path):
    with opened(path) as (stream, size):
        return read_header(stream, size)


def _merged(names, headers, indexes):
    """The tensors of all files. Without an index engines load every file, so a tensor that is there twice means two sets of weights."""
    where = {}
    tensors = []
    for name, header in zip(names, headers):
        for tensor in header.tensors:
            if tensor.name not in where:
                where[tensor.name] = name
                tensors.append(tensor)
            elif not indexes:
                raise ModelError("holds the tensor %s in %s and in %s; keep one set of weights" % (tensor.name, where[tensor.name], name))
    return tensors
