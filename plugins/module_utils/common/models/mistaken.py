# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is that was taken for a model, or for a part of one: recognized by its first bytes."""

from __future__ import annotations

BYTES = 64


def mistaken(start, size):
    """A sentence about a file of ``size`` bytes that begins with ``start`` (up to :data:`BYTES`), or None."""
    if not size:
        return "the file is empty"
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer, not the model itself; run git lfs pull where it was cloned"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not a model; the download went to a page, fetch the file itself"
    if start.startswith(b"PK\x03\x04"):
        return "a zip archive (a PyTorch model?); engines need GGUF or safetensors, convert it"
    if start.startswith(b"GGUF"):
        return "a GGUF file with another name; give it a name that ends with .gguf"
    return None
