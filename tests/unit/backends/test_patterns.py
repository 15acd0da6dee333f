# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the logs of engines mean: recorded logs (logs/README.md) and the causes that people read."""

from __future__ import annotations

import os
import re

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.table import BACKENDS
from ansible_collections.modelfleet.serving.plugins.module_utils.host.system import logs

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "logs")
HEALTHY = {"llama_cpp/healthy", "llama_cpp/healthy_release", "vllm/healthy"}

# log -> what its cause begins with, and what it names: the flag, variable or package that mends it.
CAUSES = {
    "llama_cpp/bad_template": ("llama.cpp cannot use the chat template", "--chat-template"),
    "llama_cpp/cut_in_header": ("The model file is damaged or not complete", "checksum"),
    "llama_cpp/full_disk": ("A disk of the host is full", "df -h"),
    "llama_cpp/gpu_driver_too_old": ("The host's NVIDIA driver is too old for this build of the engine", "driver"),
    "llama_cpp/gpu_driver_updated": ("The host's NVIDIA driver is too old for this build of the engine", "reboot"),
    "llama_cpp/gpu_fabric_manager": ("The GPUs are joined by NVSwitch", "nvidia-fabricmanager"),
    "llama_cpp/gpu_none": ("The engine found no GPU that it can use", "nvidia-smi"),
    "llama_cpp/gpu_out_of_memory": ("The GPU ran out of memory", "--gpu-layers"),
    "llama_cpp/gpu_unknown_error": ("CUDA could not reach the GPUs", "nvidia-modprobe"),
    "llama_cpp/missing_adapter": ("A file that the engine needs is not on the host", "parameters"),
    "llama_cpp/missing_file": ("A file that the engine needs is not on the host", "source"),
    "llama_cpp/missing_library": ("The shared library libllama-server-impl.so is missing", "libllama-server-impl.so"),
    "llama_cpp/missing_tensors": ("The model file does not hold what its architecture needs", "backend_version"),
    "llama_cpp/no_backends": ("llama-server finds none of its libraries for CPUs or GPUs", "GGML_BACKEND_PATH"),
    "llama_cpp/no_gguf": ("The model file is damaged or not complete", "checksum"),
    "llama_cpp/no_key": ("The engine could not read the file with its key", "deploy again"),
    "llama_cpp/no_libcurl": ("The system library libcurl.so.4 is missing on the host", "libcurl4"),
    "llama_cpp/no_libgomp": ("The system library libgomp.so.1 is missing on the host", "apt install libgomp1"),
    "llama_cpp/no_libvulkan": ("The system library libvulkan.so.1 is missing on the host", "libvulkan1"),
    "llama_cpp/no_number": ("llama.cpp needs a number for --batch-size", "--batch-size"),
    "llama_cpp/no_ram": ("The host ran out of RAM", "--ctx-size"),
    "llama_cpp/no_such_device": ("This build of llama.cpp has no device CUDA0", "CUDA0"),
    "llama_cpp/permission": ("The service user may not use a file that the engine needs", "owner"),
    "llama_cpp/port_taken": ("The engine could not listen on its port", "modelfleet_address"),
    "llama_cpp/quantized_cache": ("A quantized V cache works with flash attention only", "--flash-attn"),
    "llama_cpp/too_many_slots": ("llama.cpp could not make its context", "n_seq_max"),
    "llama_cpp/truncated": ("The model file is damaged or not complete", "checksum"),
    "llama_cpp/unknown_architecture": ("This version of llama.cpp does not know the model's architecture", "zebra"),
    "llama_cpp/unknown_gguf_version": ("The model is a GGUF file of version 9", "backend_version"),
    "llama_cpp/unknown_parameter": ("This version of llama.cpp does not know --bogus", "--bogus"),
    "llama_cpp/unknown_tokenizer": ("This version of llama.cpp does not know the model's tokenizer", "zzzzz"),
    "llama_cpp/wrong_value": ("llama.cpp refuses --cache-type-k of the definition's `parameters`", "q9"),
    "vllm/cache_too_large": ("Only 15.27 of 17.59 GiB of RAM are free on this NUMA node", "VLLM_CPU_KVCACHE_SPACE"),
    "vllm/cache_too_small": ("One request of the full length 1048576 needs 0.25 GiB of KV cache", "--max-model-len"),
    "vllm/custom_code": ("The model brings Python code of its own", "--trust-remote-code"),
    "vllm/damaged_config": ("/srv/models/bad_json/config.json is damaged", "copy it again"),
    "vllm/full_disk": ("A disk of the host is full", "df -h"),
    "vllm/gpu_bfloat16": ("This GPU cannot compute with bfloat16", "--dtype=half"),
    "vllm/gpu_driver_too_old": ("The host's NVIDIA driver is too old for this build of the engine", "12080"),
    "vllm/gpu_fabric_manager": ("The GPUs are joined by NVSwitch", "nvidia-fabricmanager"),
    "vllm/gpu_forward_compatibility": ("The NVIDIA driver and the CUDA libraries that the engine found do not fit together", "LD_LIBRARY_PATH"),
    "vllm/gpu_layer_not_divisible": ("A part of the model cannot be shared equally by so many GPUs", "--tensor-parallel-size"),
    "vllm/gpu_memory_taken": ("Only 7.34 of 139.72 GiB of the GPU are free", "modelfleet_reserved_gpu"),
    "vllm/gpu_nccl": ("The GPUs of the instance could not talk to each other", "NCCL_DEBUG"),
    "vllm/gpu_nccl_shared_memory": ("/dev/shm of the host is full or too small for NCCL", "/dev/shm"),
    "vllm/gpu_no_cache": ("The weights leave no memory for the KV cache", "--gpu-memory-utilization"),
    "vllm/gpu_no_cuda_library": ("The CUDA library libcudart.so.12 is missing", "LD_LIBRARY_PATH"),
    "vllm/gpu_no_driver": ("The library of the NVIDIA driver", "libcuda1"),
    "vllm/gpu_none": ("The engine found no GPU that it can use", "nvidia-smi"),
    "vllm/gpu_not_compiled_for": ("This build of the engine was not compiled for this model of GPU", "backend_version"),
    "vllm/gpu_other_quantization": ("vLLM cannot run awq_marlin quantization on this device", "rocm"),
    "vllm/gpu_out_of_memory": ("The GPU ran out of memory", "--max-model-len"),
    "vllm/gpu_quantization": ("The model's quantization needs a GPU of compute capability 80", "newer GPUs"),
    "vllm/gpu_too_few": ("`--tensor-parallel-size=` times `--pipeline-parallel-size=` under `parameters` is more than the GPUs", "--tensor-parallel-size"),
    "vllm/gpu_unknown_error": ("CUDA could not reach the GPUs", "nvidia-modprobe"),
    "vllm/hub_gated": ("The hub does not give the model to this host", "HF_TOKEN"),
    "vllm/hub_not_asked": ("The engine wanted a file from a model hub and could not get it", "parameters"),
    "vllm/hub_not_reached": ("The engine wanted a file from a model hub and could not get it", "parameters"),
    "vllm/killed": ("A process of the engine was killed by signal 9", "journalctl -k"),
    "vllm/killed_worker": ("A worker process of vLLM ended while it started", "dmesg"),
    "vllm/missing_layers": ("config.json and the model's weights do not belong together", "backend_version"),
    "vllm/missing_library": ("The shared library libtorch_global_deps.so is missing", "LD_LIBRARY_PATH"),
    "vllm/missing_shard": ("The model's files are damaged or not complete", "checksums"),
    "vllm/model_gone": ("The model /srv/models/nowhere is gone from the host", "source"),
    "vllm/no_adapter": ("The LoRA adapter /nowhere is not on the host", "--lora-modules"),
    "vllm/no_chat_template": ("The chat template /nowhere.jinja is not on the host", "--chat-template"),
    "vllm/no_config": ("/srv/models/no_config has no config.json", "source"),
    "vllm/no_kernel": ("This build of vLLM has no kernel static_scaled_fp8_quant for this device", "--quantization"),
    "vllm/no_libnuma": ("The system library libnuma.so.1 is missing on the host", "libnuma1"),
    "vllm/no_ram": ("The host ran out of RAM", "modelfleet_reserved_ram"),
    "vllm/no_tokenizer": ("The model's directory has no complete tokenizer", "--tokenizer"),
    "vllm/no_weights": ("The model's files are damaged or not complete", "checksums"),
    "vllm/not_whole_gib": ("A variable under `env` must be a whole number and is '0.05'", "VLLM_CPU_KVCACHE_SPACE"),
    "vllm/parameters_apart": ("The definition's `parameters` do not fit together", "--tool-call-parser"),
    "vllm/permission": ("The service user may not use a file that the engine needs", "owner"),
    "vllm/port_taken": ("Another process listens on the engine's port", "next plan"),
    "vllm/refused": ("vLLM refuses the model or one of the definition's `parameters` or `env`", "env"),
    "vllm/tensor_parallel": ("The model's 4 attention heads cannot be shared equally by 3 GPUs", "--tensor-parallel-size"),
    "vllm/too_long_context": ("`--max-model-len=4096` is more than the model was made for", "--hf-overrides"),
    "vllm/truncated_weights": ("The model's files are damaged or not complete", "checksums"),
    "vllm/unknown_architecture": ("This version of vLLM does not know the architecture ZebraForCausalLM", "backend_version"),
    "vllm/unknown_model_type": ("The Transformers library of this vLLM does not know the model type zebra", "backend_packages"),
    "vllm/unknown_parameter": ("This version of vLLM does not know --bogus=3", "--bogus=3"),
    "vllm/unknown_quantization": ("This version of vLLM does not know the model's quantization", "zebra"),
    "vllm/unreadable_weights": ("/srv/models/locked2/model-00001-of-00004.safetensors is gone", "owner"),
    "vllm/worker_refused": ("vLLM cannot run this model with these `parameters` here", "head_size"),
    "vllm/wrong_address": ("The host does not have the address that its engines shall listen on", "modelfleet_address"),
    "vllm/wrong_quantization": ("`--quantization=` under `parameters` does not fit the model", "--quantization"),
    "vllm/wrong_shape": ("config.json and the model's weights do not belong together", "backend_version"),
    "vllm/wrong_value": ("vLLM refuses --dtype of the definition's `parameters`", "--dtype"),
}


def of(log):
    backend = log.partition("/")[0]
    return logs.last_start(os.path.join(RECORDED, log + ".log")), BACKENDS[backend].LOG_PATTERNS


def recorded():
    return {"%s/%s" % (backend, name[:-4]) for backend in BACKENDS for name in os.listdir(os.path.join(RECORDED, backend))}


def first_match(log):
    lines, patterns = of(log)
    return next((known["pattern"] for known in patterns if re.search(known["pattern"], "\n".join(lines))), None)


@pytest.mark.parametrize("log", sorted(CAUSES))
def test_a_recorded_failure_is_explained(log):
    cause, line = logs.likely_cause(*of(log))
    begins, names = CAUSES[log]
    assert cause.startswith(begins) and names in cause, cause
    assert cause.endswith(".") and "{" not in cause
    assert line, "the line that says so is shown"


def test_every_recorded_log_is_used():
    assert recorded() == set(CAUSES) | HEALTHY


@pytest.mark.parametrize("log", sorted(HEALTHY))
def test_healthy_engines_are_not_accused(log):
    lines, patterns = of(log)
    assert logs.likely_cause(lines, patterns) == (None, None) and len(lines) > 5


def test_every_pattern_is_reached():
    """None is hidden by one before it: for each there is a recorded log of which it is the first to match."""
    reached = {first_match(log) for log in recorded()}
    unreached = {known["pattern"] for backend in BACKENDS.values() for known in backend.LOG_PATTERNS} - reached
    assert not unreached


def test_the_root_cause_far_above_the_end_is_found():
    """Three processes report one after the other; the last only points at the one before."""
    lines, patterns = of("vllm/missing_shard")
    _cause, line = logs.likely_cause(lines, patterns)
    assert "Weight files referenced in index but missing" in line and line.startswith("(Worker pid=")
    assert len(lines) - lines.index(line) > 100 and "See root cause above" in lines[-1]


def test_values_come_from_the_message_and_not_from_the_statement_that_makes_it():
    lines, patterns = of("vllm/damaged_config")
    assert any("{resolved_config_file}" in line for line in lines)
    assert logs.likely_cause(lines, patterns)[0].startswith("/srv/models/bad_json/config.json is damaged")
