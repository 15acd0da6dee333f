# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends. Adding one is adding a module like llama_cpp and a line here.

A backend has NAME, FORMATS, CATEGORIES, DEFAULT_VERSION, RESERVED_FLAGS (spellings that modelfleet sets itself, refused in definitions),
LAUNCHER (the file that its builds hold), LOG_PATTERNS and SMALLER_CACHE, and serves, obstacle, build, render, registry_fields, capacity,
served_context, context_parameter, most_layers and fixed_layers.

``build(definition, launcher_digest, vendor)`` says what the role `backend` installs: {backend, version, build, kind, requirement,
packages, extra_index, disk_gb}. ``launcher_digest``: hex digest of LAUNCHER, since a build holds it; ``vendor``: of the GPU, or None.

``render(instance)`` gives the instance spec of docs/architecture.md. ``instance``: {fleet, deployment: definition, metadata, path, data_dir,
address, port, layers (on a GPU that the engine can use), claimed_gpu and total_gpu (bytes of that GPU; 0 without one), vendor (of its
GPUs, or None), uuids, build (None with backend_executable)}.
"""

from __future__ import annotations

from . import llama_cpp, vllm

BACKENDS = {
    llama_cpp.NAME: llama_cpp,
    vllm.NAME: vllm,
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
