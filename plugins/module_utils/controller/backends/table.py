# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends. Adding one is adding a module like llama_cpp and a line here.

A backend has NAME, FORMATS, CATEGORIES, DEFAULT_VERSION and RESERVED_FLAGS (spellings that modelfleet sets itself, refused in
definitions), and serves, build, render, capacity, served_context, most_layers and fixed_layers.
"""

from __future__ import annotations

from . import llama_cpp

BACKENDS = {
    llama_cpp.NAME: llama_cpp,
}


def choose_backend(wanted, metadata):
    """``(backend, None)``, or ``(None, sentence)`` where none serves the model. ``wanted``: a name, or "auto" for the first that can."""
    reasons = []
    for name in sorted(BACKENDS) if wanted == "auto" else [wanted]:
        reason = BACKENDS[name].serves(metadata)
        if reason is None:
            return BACKENDS[name], None
        reasons.append("%s: %s" % (name, reason))
    return None, "; ".join(reasons)
