# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical JSON and the digests made from it: the same value gives the same text on every machine."""

from __future__ import annotations

import hashlib
import hmac
import json


def canonical_json(value):
    """One line of JSON with sorted keys and no spaces. Raises ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value):
    """``sha256:<hex>`` of the canonical JSON of ``value``."""
    return "sha256:" + hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def keyed_digest(key, value):
    """Like :func:`digest`, but only comparable by who knows ``key`` (str): for values that are secret."""
    return "hmac-sha256:" + hmac.new(key.encode("utf-8"), canonical_json(value).encode("utf-8"), hashlib.sha256).hexdigest()
