# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How weights are quantized, by config.json's quantization_config (and what stands in for it).

Source: the quantization configurations of transformers, compressed-tensors and ModelOpt.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..counts import is_count
from ..metadata import elements

_NAMES = {"awq": "AWQ", "fp8": "FP8", "gptq": "GPTQ", "modelopt": "ModelOpt", "mxfp4": "MXFP4", "nvfp4": "NVFP4"}
_BITS = {"fp8": 8, "mxfp4": 4, "nvfp4": 4}
_INTEGERS = {"U8": 8, "I8": 8, "I32": 32, "I64": 64}
# What quantization stores beside the weights: scales, zero points, shapes, orders.
_COMPANION = re.compile(
    r"(?:^|[._])(?:scales?|scale_inv|weight_scale_2|qzeros|g_idx|weight_shape|zero_point|absmax|quant_map|SCB|weight_format)$|\.quant_state\.")


class Quantization(NamedTuple):
    """``label``: for people; ``bits`` of one weight."""

    label: str
    bits: int


def quantization(config, modelopt=None):
    """The :class:`Quantization` that ``config`` (the JSON object of config.json) tells, or None.

    ``modelopt``: the JSON object of hf_quant_config.json, where ModelOpt keeps its own, or None.
    """
    text = config.get("text_config")
    places = [config.get("quantization_config"), config.get("compression_config")]
    places += [text.get("quantization_config")] if isinstance(text, dict) else []
    given = next((place for place in places if isinstance(place, dict) and place), None)
    if given is None and modelopt:
        given = dict(modelopt, quant_method="modelopt")
    if given is None:
        return None
    method = str(given.get("quant_method") or "quantized").lower().replace("_", "-")
    if method == "compressed-tensors":
        return _compressed_tensors(given)
    if method.startswith("modelopt"):
        inner = given.get("quantization")
        algorithm = str((inner if isinstance(inner, dict) else given).get("quant_algo") or method).upper()
        return Quantization("ModelOpt %s" % algorithm, 4 if "4" in algorithm else 8)
    bits = given.get("bits") or given.get("w_bit") or _BITS.get(method) or (4 if given.get("load_in_4bit") else 8)
    bits = bits if is_count(bits) else 8
    name = _NAMES.get(method, method)
    return Quantization(name if method in _BITS else "%s %d-bit" % (name, bits), bits)


def parameters(tensors, found):
    """Number of weights in ``tensors`` (header.Tensor); ``found``: the Quantization or None. Packed integers hold several weights each."""
    if found is None:
        return sum(elements(tensor.dimensions) for tensor in tensors)
    count = 0
    for tensor in tensors:
        if not _COMPANION.search(tensor.name):
            packed = _INTEGERS.get(tensor.dtype, 0) if found.bits < 8 else 0
            count += elements(tensor.dimensions) * packed // found.bits if packed else elements(tensor.dimensions)
    return count


def _compressed_tensors(given):
    groups = given.get("config_groups")
    groups = [group for group in groups.values() if isinstance(group, dict)] if isinstance(groups, dict) else []
    weights = next((group["weights"] for group in groups if isinstance(group.get("weights"), dict)), {})
    inputs = next((group["input_activations"] for group in groups if isinstance(group.get("input_activations"), dict)), {})
    bits = weights.get("num_bits") if is_count(weights.get("num_bits")) and weights.get("num_bits") else 16
    activations = inputs.get("num_bits") if is_count(inputs.get("num_bits")) else 16
    kind = " FP%d" % bits if weights.get("type") == "float" else ""
    return Quantization("compressed-tensors W%dA%d%s" % (bits, activations, kind), bits)
