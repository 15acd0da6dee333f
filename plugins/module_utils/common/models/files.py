# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the model at a path and reads its headers: one file a format.

A format offers ``models_in(directory, names) -> {file that stands for the model: path}`` for the sorted names of a directory, and
``read(path)``, which gives the metadata (metadata.py). Both raise ModelError and OSError.
"""

from __future__ import annotations

import os

from .disk import some
from .errors import ModelError
from .gguf import files as gguf
from .safetensors import diffusers
from .safetensors import files as safetensors

FORMATS = (gguf, safetensors, diffusers)


def read_model(path):
    """Metadata (metadata.py) of the model at ``path``: a GGUF file, any part of one, or the directory of one model.

    Reads headers and small JSON files, never weights. Raises ModelError and OSError.
    """
    if not os.path.isdir(path):
        return gguf.read(path)
    names = sorted(os.listdir(path))
    found = {}
    for form in FORMATS:
        for name, where in form.models_in(path, names).items():
            found[name] = (form, where)
    if not found:
        raise ModelError(safetensors.why_none(names) or "is a directory without a model (GGUF, or safetensors with config.json)")
    if len(found) > 1:
        raise ModelError("is a directory with %d models (%s): name a GGUF file, or give each model a directory of its own"
                         % (len(found), some(sorted(found))))
    form, where = found.popitem()[1]
    return form.read(where)
