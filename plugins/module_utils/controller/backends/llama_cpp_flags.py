# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The flags of llama-server that the planner reads or sets, with all their spellings."""

from __future__ import annotations

CONTEXT = ("--ctx-size", "-c")
PARALLEL = ("--parallel", "-np")
GPU_LAYERS = ("--gpu-layers", "--n-gpu-layers", "-ngl")
KV_UNIFIED = ("--kv-unified", "-kvu", "--no-kv-unified", "-no-kvu")
CACHE_TYPE_K = ("--cache-type-k", "-ctk")
CACHE_TYPE_V = ("--cache-type-v", "-ctv")
CACHE_RAM = ("--cache-ram", "-cram")
BATCH = ("--batch-size", "-b")
UBATCH = ("--ubatch-size", "-ub")
NO_KV_OFFLOAD = ("--no-kv-offload", "-nkvo")
EMBEDDINGS = ("--embeddings", "--embedding")
RERANKING = ("--reranking", "--rerank")

# What modelfleet sets itself, and what would send the engine another way than the plan and the router know.
RESERVED = frozenset([
    "--host", "--port", "--reuse-port", "--api-prefix", "--ssl-key-file", "--ssl-cert-file",
    "--model", "-m", "--model-url", "-mu", "--hf-repo", "-hf", "-hfr", "--hf-file", "-hff", "--docker-repo", "-dr",
    "--models-dir", "--models-preset", "--alias", "-a", "--api-key", "--api-key-file", "--metrics",
])

DEFAULT_CONTEXT = 8192
DEFAULT_PARALLEL = 4
DEFAULT_UBATCH = 512


def context(flags, metadata):
    """Tokens of all requests together: what the user says (0: the model's maximum), else 8192 but no more than the model's maximum."""
    most = metadata.get("context") or DEFAULT_CONTEXT
    wanted = flags.number(CONTEXT)
    if wanted is None:
        return min(DEFAULT_CONTEXT, most)
    return wanted or most


def parallel(flags):
    """Requests that the engine works on at the same time."""
    return max(1, flags.number(PARALLEL, DEFAULT_PARALLEL))


def ubatch(flags, metadata):
    """Tokens that are computed at once. Models that look at a whole text at once need all of it in one batch."""
    whole_text = metadata.get("category") in ("embedding", "reranker")
    return max(1, flags.number(UBATCH, context(flags, metadata) if whole_text else DEFAULT_UBATCH))
