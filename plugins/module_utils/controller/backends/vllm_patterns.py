# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in vLLM's logs and what they mean: {pattern: regex, cause: what to do}. The first pattern that matches counts.

The processes of vLLM write `(EngineCore pid=1) ERROR 11-21 09:03:48 [core.py:953] ` before their lines, and the API server ends with one that
only points at theirs: no pattern is tied to the beginning of a line, and the most specific come first.
"""

from __future__ import annotations

from .common_patterns import COMMON_PATTERNS, LIBRARY_PATTERNS
from .nvidia_patterns import NVIDIA_PATTERNS

_DAMAGED = ("The model's files are damaged or not complete (the log names what is wrong): compare their sizes and checksums with where they came from, "
            "and copy them again.")
_NO_FIT = ("config.json and the model's weights do not belong together: copy the whole model again, or take a `backend_version` that knows this model "
           "better.")
_SHORTER = "a shorter `--max-model-len=`, fewer `--max-num-seqs=`, `--kv-cache-dtype=fp8`"

_MODEL = [
    {
        "pattern": r"Model architectures \['(?P<architecture>\w+)'.*\] are not supported",
        "cause": "This version of vLLM does not know the architecture {architecture}: set a newer `backend_version` in the definition, or take another "
                 "model.",
    },
    {
        "pattern": r"model type .(?P<type>[\w.-]+). but Transformers does not recognize",
        "cause": "The Transformers library of this vLLM does not know the model type {type}: set a newer `backend_version`, or pin a newer `transformers==` "
                 "under `backend_packages`.",
    },
    {
        "pattern": r"contains custom code which must be executed|requires you to execute the configuration file",
        "cause": "The model brings Python code of its own, which vLLM runs only when it is told to: read it, and if you trust it, add `--trust-remote-code` "
                 "to `parameters`.",
    },
    {
        "pattern": r"Cannot access gated repo|trying to access a gated repo|401 Client Error|403 Client Error",
        "cause": "The hub does not give the model to this host: accept its licence there, put a token of that account into modelfleet_secrets, and name it "
                 "under `secrets` as HF_TOKEN.",
    },
    {
        "pattern": r"outgoing traffic has been disabled|We couldn't connect to 'http|trying to locate the file on the Hub",
        "cause": "The engine wanted a file from a model hub and could not get it: bring the file to the host, and name its path instead of the hub's name in "
                 "`parameters`.",
    },
    {
        "pattern": r"Repo id must be in the form .*: '(?P<path>/[^']*)'",
        "cause": "The model {path} is gone from the host: bring it back, or change `source` in the definition.",
    },
    {
        "pattern": r"Invalid repository ID or local directory specified: '(?P<path>[^']*)'",
        "cause": "{path} has no config.json: `source` must name the directory that holds config.json, the tokenizer and all weights.",
    },
    {
        "pattern": r"config file at '(?P<path>[^']*)' is not a valid JSON file",
        "cause": "{path} is damaged: copy it again from where the model came from.",
    },
    {
        "pattern": r"Couldn't instantiate the backend tokenizer|Can't load tokenizer for",
        "cause": "The model's directory has no complete tokenizer: copy its tokenizer files (tokenizer.json, tokenizer_config.json) beside the weights, or "
                 "name a directory that has them with `--tokenizer=` under `parameters`.",
    },
    {"pattern": r"Weight files referenced in index but missing|Cannot find any model weights with|SafetensorError: ", "cause": _DAMAGED},
    {
        "pattern": r"FileNotFoundError: No such file or directory: (?P<path>\S+\.safetensors)",
        "cause": "{path} is gone, or the service user may not read it: bring it back, or check its owner and mode and those of every folder above it.",
    },
    {"pattern": r"Following weights were not initialized from checkpoint|There is no module or parameter named", "cause": _NO_FIT},
    {"pattern": r"exceeds dimension size|Tried to load weights of size|size mismatch for ", "cause": _NO_FIT},
]

_QUANTIZATION = [
    {
        "pattern": r"Unknown quantization method: (?P<method>[\w-]+)",
        "cause": "This version of vLLM does not know the model's quantization, {method}: set another `backend_version`, or take another quantization of the "
                 "model.",
    },
    {
        "pattern": r"(?P<method>[\w-]+) quantization is currently not supported in (?P<device>\w+)",
        "cause": "vLLM cannot run {method} quantization on this device ({device}): take another quantization of the model, or place it on other GPUs.",
    },
    {
        "pattern": r"is not supported for the current GPU\. (?:Minimum|Required) capability: (?P<needed>\d+)\. Current capability: (?P<found>\d+)",
        "cause": "The model's quantization needs a GPU of compute capability {needed} (80 is 8.0), this one has {found}: take another quantization of the "
                 "model, or place it on newer GPUs.",
    },
    {
        "pattern": r"does not match the quantization method specified|Cannot find the config file for (?P<method>\w+)",
        "cause": "`--quantization=` under `parameters` does not fit the model: remove it, since vLLM reads the method from config.json.",
    },
    {
        "pattern": r"_C::(?P<kernel>\w+)\(\) expected at most 0|'_OpNamespace' '_C' object has no attribute '(?P<missing>\w+)'",
        "cause": "This build of vLLM has no kernel {kernel}{missing} for this device: take another quantization of the model, or remove `--quantization=` and "
                 "`--kv-cache-dtype=` from `parameters`.",
    },
    {
        "pattern": r"Bfloat16 is only supported on GPUs with compute capability of at least 8\.0",
        "cause": "This GPU cannot compute with bfloat16: add `--dtype=half` to `parameters`, or place the deployment on newer GPUs.",
    },
]

_PARALLEL = [
    {
        "pattern": r"attention heads \((?P<heads>\d+)\) must be divisible by tensor parallel size \((?P<size>\d+)\)",
        "cause": "The model's {heads} attention heads cannot be shared equally by {size} GPUs: set `--tensor-parallel-size=` to a number that divides "
                 "{heads}.",
    },
    {
        "pattern": r"AssertionError: (?P<what>\d+) is not divisible by (?P<size>\d+)",
        "cause": "A part of the model cannot be shared equally by so many GPUs ({what} by {size}): set `--tensor-parallel-size=` to a smaller number.",
    },
    {
        "pattern": r"local_world_size .{0,8}(?:must be less than or equal to|exceeds)|[Ll]ocal.rank \d+ is out of\s+bounds|max local gpu count",
        "cause": "`--tensor-parallel-size=` times `--pipeline-parallel-size=` under `parameters` is more than the GPUs that the instance has: lower them.",
    },
    {
        "pattern": r"Error while creating shared memory segment /dev/shm",
        "cause": "/dev/shm of the host is full or too small for NCCL: make it larger (`mount -o remount,size=16G /dev/shm`), or remove what is left in it.",
    },
    {
        "pattern": r"NCCL error|ncclSystemError|ncclUnhandledCudaError|ncclInternalError",
        "cause": "The GPUs of the instance could not talk to each other (NCCL): set NCCL_DEBUG to INFO under `env` and read the log; behind a PCIe switch or "
                 "in a virtual machine NCCL_P2P_DISABLE set to 1 often helps.",
    },
]

_MEMORY = [
    {
        "pattern": r"max_model_len \((?P<wanted>\d+)\) is greater than the derived max_model_len \(\w+=(?P<most>\d+)",
        "cause": "`--max-model-len={wanted}` is more than the model was made for ({most}): lower it. The model's own way to longer texts, if it has one, is "
                 "`--hf-overrides=` with its rope scaling.",
    },
    {
        "pattern": r"max seq len \((?P<length>\d+)\), \((?P<needed>[\d.]+) GiB KV cache is needed, .* \((?P<free>[\d.]+) GiB\)",
        "cause": "One request of the full length {length} needs {needed} GiB of KV cache, and {free} GiB are left for it: set a shorter `--max-model-len=`, "
                 "`--kv-cache-dtype=fp8`, or more memory (`--gpu-memory-utilization=`; on CPUs VLLM_CPU_KVCACHE_SPACE under `env`).",
    },
    {
        "pattern": r"No available memory for the cache blocks",
        "cause": "The weights leave no memory for the KV cache: raise `--gpu-memory-utilization=` under `parameters`, take a smaller quantization of the "
                 "model, or place it on a larger GPU.",
    },
    {
        "pattern": r"Free memory on device .*\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than",
        "cause": "Only {free} of {total} GiB of the GPU are free, because other processes use it (see `nvidia-smi`): end them, raise modelfleet_reserved_gpu "
                 "so that plans leave more to them, or lower `--gpu-memory-utilization=`.",
    },
    {
        "pattern": r"Available memory on node .*\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on .* is less than",
        "cause": "Only {free} of {total} GiB of RAM are free on this NUMA node: lower VLLM_CPU_KVCACHE_SPACE under `env`, or raise modelfleet_reserved_ram so "
                 "that plans leave more free.",
    },
    {
        "pattern": r"CUDA out of memory|torch(?:\.cuda)?\.OutOfMemoryError|CUDA error: out of memory",
        "cause": "The GPU ran out of memory: use " + _SHORTER + ", `--enforce-eager`, or a smaller quantization of the model, or raise modelfleet_reserved_gpu "
                 "so that plans leave more free.",
    },
    {
        "pattern": r"can't allocate memory|Cannot allocate memory|std::bad_alloc|MemoryError",
        "cause": "The host ran out of RAM: use " + _SHORTER + ", on CPUs a smaller VLLM_CPU_KVCACHE_SPACE under `env`, or a smaller model, or raise "
                 "modelfleet_reserved_ram so that plans leave more free.",
    },
    {
        "pattern": r"died unexpectedly \(exit code: -9\)|Failed core proc\(s\): \{[^}]*: -9",
        "cause": "A process of the engine was killed by signal 9 (SIGKILL), probably by the kernel because the host or its control group ran out of memory: "
                 "see `dmesg` or `journalctl -k`; raise modelfleet_reserved_ram so that plans leave more free, or make the engine smaller by its `parameters`.",
    },
]

_PARAMETERS = [
    {
        "pattern": r"error: unrecognized arguments: (?P<arguments>.*)",
        "cause": "This version of vLLM does not know {arguments}: correct `parameters` in the definition, or set the `backend_version` that has it.",
    },
    {
        "pattern": r"error: argument (?P<flag>--[\w-]+)[^:]*: (?P<said>[^(\n]{0,120}[^(\s])",
        "cause": "vLLM refuses {flag} of the definition's `parameters` ({said}): correct it and deploy again.",
    },
    {
        "pattern": r"Value error, invalid literal for int\(\) with base 10: (?P<value>'[^']*')",
        "cause": "A variable under `env` must be a whole number and is {value} (VLLM_CPU_KVCACHE_SPACE counts whole GiB): correct it and deploy again.",
    },
    {
        "pattern": r"chat template string \((?P<template>[^)]*)\) appears path-like, but doesn't exist",
        "cause": "The chat template {template} is not on the host: bring it there, or correct `--chat-template=` under `parameters`.",
    },
    {
        "pattern": r"No adapter found for (?P<path>[^\s']+)",
        "cause": "The LoRA adapter {path} is not on the host, or not complete: bring it there, or correct `--lora-modules=` under `parameters`.",
    },
    {
        "pattern": r"TypeError: Error: (?P<said>--.*)",
        "cause": "The definition's `parameters` do not fit together ({said}): correct them and deploy again.",
    },
]

# Where nothing else says it better.
_REFUSED = [
    {
        "pattern": r"(?m)^  (?P<said>(?:Value error, |Input should be )[^\[\n]{1,200}[^\[\s])",
        "cause": "vLLM refuses the model or one of the definition's `parameters` or `env` ({said}): correct it and deploy again.",
    },
    {
        "pattern": r"Worker failed with error '(?P<said>[^'\n]{1,200})",
        "cause": "vLLM cannot run this model with these `parameters` here ({said}): change them, or set another `backend_version`.",
    },
    {
        "pattern": r"WorkerProc initialization failed due to an exception in a background process",
        "cause": "A worker process of vLLM ended while it started: its traceback is further up in the log. Where there is none, the kernel killed it because "
                 "the host ran out of memory (see `dmesg`): raise modelfleet_reserved_ram, or make the engine smaller by its `parameters`.",
    },
]

VLLM_PATTERNS = NVIDIA_PATTERNS + LIBRARY_PATTERNS + _MODEL + _QUANTIZATION + _PARALLEL + _MEMORY + _PARAMETERS + COMMON_PATTERNS + _REFUSED
