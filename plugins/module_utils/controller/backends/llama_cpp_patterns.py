# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in llama.cpp's logs and what they mean: {pattern: regex, cause: what to do}. The first pattern that matches counts."""

from __future__ import annotations

_DAMAGED = ("The model file is damaged or not complete: compare its size and checksum with where it came from, and copy it again.")

LLAMA_CPP_PATTERNS = [
    {
        "pattern": r"unknown model architecture: ",
        "cause": "This version of llama.cpp does not know the model's architecture: set a newer `backend_version` in the "
                 "definition, or take another model.",
    },
    {"pattern": r"data is not within the file bounds|invalid magic characters|failed to read magic", "cause": _DAMAGED},
    {"pattern": r"gguf_init_from_\w+: failed to read ", "cause": _DAMAGED},
    {
        "pattern": r"failed to open GGUF file .*No such file or directory",
        "cause": "The model file is gone from the host: bring it back, or change `source` in the definition.",
    },
    {
        "pattern": r"insufficient memory|out of memory|failed to allocate|std::bad_alloc",
        "cause": "The engine ran out of memory: use a smaller context (`--ctx-size=`), a quantized KV cache "
                 "(`--cache-type-k=q8_0`, `--cache-type-v=q8_0`) or a smaller quantization of the model, or raise "
                 "modelfleet_reserved_gpu or modelfleet_reserved_ram so that plans leave more free.",
    },
    {
        "pattern": r"couldn't bind HTTP server socket",
        "cause": "The engine could not listen on its port: another process has it (stop that, or run again, since the next plan "
                 "takes a free port), or the host does not have this address (set modelfleet_address to one that it has).",
    },
    {
        "pattern": r"no backends are loaded",
        "cause": "llama-server finds none of its libraries for CPUs or GPUs: set GGML_BACKEND_PATH under `env` in the definition, "
                 "or use the wrapper that came with it as `backend_executable`.",
    },
    {
        "pattern": r"error while handling argument \"--api-key-file\"",
        "cause": "The engine could not read the file with its key: deploy again, which writes credentials/ of the data directory.",
    },
    {
        "pattern": r"error: invalid argument: |error while handling argument ",
        "cause": "llama.cpp refuses one of the definition's `parameters` (the log says which): correct it and deploy again.",
    },
    {
        "pattern": r"failed to initialize the context: |failed to create_context with model",
        "cause": "llama.cpp could not make its context (the log says why): correct the definition's `parameters`, such as "
                 "`--parallel=` or `--ctx-size=`, and deploy again.",
    },
]
