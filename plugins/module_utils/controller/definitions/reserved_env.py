# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables that a definition may not set, with the reason. Another one is a line."""

from __future__ import annotations

import re

_GPUS = "modelfleet hands every engine its GPUs; to choose them use placement.gpus"
_KEY = "modelfleet gives every engine its own key, which the routers send"
_FLAGS = "the plan reads flags only where parameters sets them; write it there"

RESERVED = (
    ("CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|NVIDIA_VISIBLE_DEVICES", _GPUS),
    ("LLAMA_API_KEY|VLLM_API_KEY", _KEY),
    ("LLAMA_ARG_.+", _FLAGS),
)


def reason(name):
    """Why a definition may not set the variable, or None."""
    return next((why for pattern, why in RESERVED if re.fullmatch(pattern, name)), None)
