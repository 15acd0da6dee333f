# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llama.cpp: llama-server, from the wheel `xllamacpp` with our launcher, or an executable that is already on the hosts."""

from __future__ import annotations

from . import llama_cpp_flags as known
from .builds import SHORT, build_name
from .flags import Flags, ParameterError, split_words
from .llama_cpp_patterns import LLAMA_CPP_PATTERNS
from .spec import instance_spec

NAME = "llama_cpp"
FORMATS = frozenset(["gguf"])
CATEGORIES = frozenset(["llm", "embedding", "reranker"])
DEFAULT_VERSION = "2026.10.11549"
RESERVED_FLAGS = known.RESERVED
LAUNCHER = "roles/backend/files/llama_server.py"

LOG_PATTERNS = LLAMA_CPP_PATTERNS
# Parameters that make the KV cache smaller at little cost, for advice.
SMALLER_CACHE = ["--cache-type-k=q8_0", "--cache-type-v=q8_0"]
# Seconds. The engine ends what is in flight before it stops; routers have drained it before that.
STOP_TIMEOUT = 60
HEALTH_DEADLINE = 120
# What a build takes on the disk, for the sentence about a full one.
DISK_GB = 0.5


def serves(metadata):
    """None, or the reason why it cannot serve the model (a part of a sentence)."""
    if metadata["format"] not in FORMATS:
        return "it serves %s, not %s" % (", ".join(sorted(FORMATS)), metadata["format"])
    if metadata["category"] not in CATEGORIES:
        return "it serves %s, not %s" % (", ".join(sorted(CATEGORIES)), metadata["category"])
    return None


def obstacle(parameters, metadata):
    """None: what the parameters say is for the engine to judge."""
    return None


def build(definition, launcher_digest, vendor):
    """What the role `backend` installs, see table.py. The wheel is the same for every vendor."""
    version = definition["backend_version"] or DEFAULT_VERSION
    packages = definition["backend_packages"]
    return {
        "backend": NAME,
        "version": version,
        "build": build_name([version, launcher_digest[:SHORT]], packages),
        "kind": "wheel",
        "requirement": "xllamacpp==%s" % version,
        "packages": list(packages),
        "extra_index": "",
        "disk_gb": DISK_GB,
    }


def capacity(parameters):
    """Requests that one instance works on at the same time."""
    return known.parallel(Flags(parameters))


def most_layers(metadata):
    """Layers that can be on a GPU: the blocks and the output layer, which llama.cpp counts as one more."""
    return metadata["layers"] + 1


def fixed_layers(parameters, metadata):
    """Layers on the GPU when the definition's parameters say so, else None. Raises ParameterError."""
    text = Flags(parameters).value(known.GPU_LAYERS)
    if text is None or text == "auto":
        return None
    if text == "all":
        return most_layers(metadata)
    if not text.lstrip("-").isdigit():
        raise ParameterError("the parameter %s needs a whole number, not %r" % (known.GPU_LAYERS[0], text))
    return most_layers(metadata) if int(text) < 0 else min(int(text), most_layers(metadata))


def served_context(parameters, metadata):
    """Tokens of context that the engine is started with. Raises ParameterError."""
    return known.context(Flags(parameters), metadata)


def context_parameter(tokens):
    """The parameter that sets the context size, as a user would write it."""
    return "--ctx-size=%d" % tokens


def render(instance):
    """The instance spec of docs/architecture.md. ``instance``: see table.py."""
    definition = instance["deployment"]
    return instance_spec(NAME, instance, _program(definition, instance), _arguments(definition, instance), dict(definition["env"]),
                         None, HEALTH_DEADLINE, STOP_TIMEOUT)


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
        return [definition["backend_executable"]]
    directory = "%s/backends/%s/%s" % (instance["data_dir"], NAME, instance["build"]["build"])
    return [directory + "/bin/python", directory + "/llama_server.py"]


def _arguments(definition, instance):
    """llama-server's flags. What the user gives is not set a second time, and comes last."""
    metadata, parameters = instance["metadata"], definition["parameters"]
    flags = Flags(parameters)
    key_file = "%s/credentials/%s.%s.key" % (instance["data_dir"], instance["fleet"], definition["name"])
    words = [
        "--model", instance["path"],
        "--alias", definition["name"],
        "--host", instance["address"],
        "--port", str(instance["port"]),
        "--api-key-file", key_file,
        "--metrics",
    ]
    if flags.value(known.CONTEXT) in (None, "0"):
        words += ["--ctx-size", str(known.context(flags, metadata))]
    if not flags.has(known.PARALLEL):
        # Every request may use the whole context. A user's own --parallel divides it, as llama.cpp does.
        words += ["--parallel", str(known.DEFAULT_PARALLEL)]
        if not flags.has(known.KV_UNIFIED):
            words += ["--kv-unified"]
    if not flags.has(known.GPU_LAYERS):
        words += ["--gpu-layers", str(instance["layers"])]
    if not flags.has(known.CACHE_RAM):
        # llama-server's own default keeps up to 8 GiB of old prompts in RAM, which nobody has booked.
        words += ["--cache-ram", "0"]
    words += _category_arguments(metadata, flags)
    return words + split_words(parameters)


def _category_arguments(metadata, flags):
    if metadata["category"] not in ("embedding", "reranker"):
        return []
    words = []
    if metadata["category"] == "embedding" and not flags.has(known.EMBEDDINGS):
        words += ["--embeddings"]
    if metadata["category"] == "reranker" and not flags.has(known.RERANKING):
        words += ["--reranking"]
    tokens = str(known.ubatch(flags, metadata))
    if not flags.has(known.UBATCH):
        words += ["--ubatch-size", tokens]
    if not flags.has(known.BATCH):
        words += ["--batch-size", tokens]
    return words
