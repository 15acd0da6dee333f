# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in llama.cpp's logs and what they mean: {pattern: regex, cause: what to do}. The first pattern that matches counts."""

from __future__ import annotations

from .common_patterns import COMMON_PATTERNS, LIBRARY_PATTERNS
from .nvidia_patterns import NVIDIA_PATTERNS

_DAMAGED = "The model file is damaged or not complete: compare its size and checksum with where it came from, and copy it again."
_NEWER = "set a newer `backend_version` in the definition, or take another model."
_SMALLER = ("use a smaller context (`--ctx-size=`), a quantized KV cache (`--cache-type-k=q8_0`, `--cache-type-v=q8_0`) or a smaller quantization of the "
            "model")

_MODEL = [
    {
        "pattern": r"(?:unknown|unsupported) model architecture: '(?P<architecture>[^']*)'",
        "cause": "This version of llama.cpp does not know the model's architecture, {architecture}: " + _NEWER,
    },
    {
        "pattern": r"unknown (?:pre-tokenizer type|tokenizer): '(?P<tokenizer>[^']*)'",
        "cause": "This version of llama.cpp does not know the model's tokenizer, {tokenizer}: " + _NEWER,
    },
    {
        "pattern": r"this GGUF file is version (?P<version>\d+) but this software only supports",
        "cause": "The model is a GGUF file of version {version}, which is too new for this version of llama.cpp, or damaged: " + _NEWER,
    },
    {
        "pattern": r"failed to open GGUF file .*No such file or directory|failed to open '[^']*': No such file or directory",
        "cause": "A file that the engine needs is not on the host (the log names it): bring it there, or change `source` or `parameters` in the definition.",
    },
    {
        "pattern": r"data is not within the file bounds|invalid magic characters|gguf_init_from_\w+: failed to read ",
        "cause": _DAMAGED,
    },
    {
        "pattern": r"check_tensor_dims: tensor '|wrong number of tensors; expected|error loading model hyperparameters: ",
        "cause": "The model file does not hold what its architecture needs: it was made for another version of llama.cpp (set another `backend_version`), or "
                 "made wrongly (convert it again, or take another copy).",
    },
]

_MEMORY = [
    {
        "pattern": r"cudaMalloc failed: out of memory|unable to allocate (?:CUDA|ROCm|Vulkan)\d+ buffer|failed to allocate (?:CUDA|ROCm|Vulkan)\d+ buffer"
                   r"|CUDA error: out of memory",
        "cause": "The GPU ran out of memory: " + _SMALLER + ", put fewer layers on it (`--gpu-layers=`), or raise modelfleet_reserved_gpu so that plans leave "
                 "more free.",
    },
    {
        "pattern": r"insufficient memory|failed to allocate (?:CPU )?buffer|unable to allocate CPU buffer|std::bad_alloc|Cannot allocate memory",
        "cause": "The host ran out of RAM: " + _SMALLER + ", or raise modelfleet_reserved_ram so that plans leave more free.",
    },
]

_PARAMETERS = [
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
        "pattern": r"error while handling argument \"--device\": invalid device: (?P<device>\S+)",
        "cause": "This build of llama.cpp has no device {device}: remove `--device` from `parameters`, since modelfleet hands the engine its GPUs, or take a "
                 "build for such GPUs (`backend_version`, `backend_executable`).",
    },
    {
        "pattern": r"error: invalid argument: (?P<argument>\S+)",
        "cause": "This version of llama.cpp does not know {argument}: correct `parameters` in the definition, or set the `backend_version` that has it.",
    },
    {
        "pattern": r"error while handling argument \"(?P<flag>[^\"]+)\": sto[a-z]+",
        "cause": "llama.cpp needs a number for {flag}: correct `parameters` in the definition and deploy again.",
    },
    {
        "pattern": r"error while handling argument \"(?P<flag>[^\"]+)\": (?P<said>.{1,200})",
        "cause": "llama.cpp refuses {flag} of the definition's `parameters` ({said}): correct it and deploy again.",
    },
    {
        "pattern": r"the supplied chat template is not supported",
        "cause": "llama.cpp cannot use the chat template: correct `--chat-template` or `--chat-template-file` under `parameters`, or remove it, since "
                 "most models bring their own.",
    },
    {
        "pattern": r"quantized V cache (?:requires|was requested, but this requires)",
        "cause": "A quantized V cache works with flash attention only: remove `--flash-attn=off` or `--cache-type-v` from `parameters`.",
    },
]

# Where nothing else says it better.
_CONTEXT = [
    {
        "pattern": r"failed to initialize the context: (?P<said>.*)",
        "cause": "llama.cpp could not make its context ({said}): correct the definition's `parameters`, such as `--parallel=` or `--ctx-size=`, and deploy "
                 "again.",
    },
]

LLAMA_CPP_PATTERNS = NVIDIA_PATTERNS + LIBRARY_PATTERNS + _MODEL + _MEMORY + _PARAMETERS + COMMON_PATTERNS + _CONTEXT
