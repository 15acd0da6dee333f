# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How llama.cpp is started: the flags, judged by its own parser, and what its logs mean."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends import llama_cpp
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.flags import Flags, split_words
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends.table import BACKENDS, choose_backend

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def rendered(parameters=(), category="llm", **fields):
    definition = {"name": "qwen3", "parameters": list(parameters), "env": {"A": "b"}, "secrets": {"TOKEN": "hub"},
                  "backend_executable": None, "restart": {"on_error": True, "max_delay": 300}, **fields.pop("definition", {})}
    return llama_cpp.render({
        "fleet": "demo", "deployment": definition, "path": "/srv/m.gguf", "data_dir": "/d", "address": "10.0.0.1", "port": 41000,
        "layers": 33, "vendor": None, "uuids": [], "claimed_gpu": 0, "total_gpu": 0,
        "build": llama_cpp.build({"backend_version": None, "backend_packages": []}, "ab" * 32, None),
        "metadata": {"category": category, "context": 4096, "file_bytes": 3 * 10 ** 9, "layers": 32, "files": [{"path": "/srv/m.gguf"}]},
        **fields,
    })


def flag(spec, name):
    words = spec["argv"]
    assert words.count(name) == 1, "%s is there once" % name
    return words[words.index(name) + 1]


def test_the_wheel_is_started_from_its_build():
    argv = rendered()["argv"]
    build = "/d/backends/llama_cpp/%s-abababab" % llama_cpp.DEFAULT_VERSION
    assert argv[:2] == [build + "/bin/python", build + "/llama_server.py"]
    assert rendered(definition={"backend_executable": "/opt/llama-server"})["argv"][0] == "/opt/llama-server"


def test_what_modelfleet_sets():
    spec = rendered()
    assert (flag(spec, "--host"), flag(spec, "--port"), flag(spec, "--model")) == ("10.0.0.1", "41000", "/srv/m.gguf")
    assert flag(spec, "--api-key-file") == "/d/credentials/demo.qwen3.key" and flag(spec, "--alias") == "qwen3"
    assert (flag(spec, "--ctx-size"), flag(spec, "--parallel"), flag(spec, "--gpu-layers")) == ("4096", "4", "33")
    assert "--kv-unified" in spec["argv"] and flag(spec, "--cache-ram") == "0"
    assert spec["secret_env"] == ["TOKEN"] and spec["env"] == {"A": "b"} and spec["health"]["deadline"] == 150
    assert all(not any(word.startswith(reserved + "=") for word in spec["argv"]) for reserved in llama_cpp.RESERVED_FLAGS)


@pytest.mark.parametrize("parameters, ours", [
    (["--ctx-size=512"], "--ctx-size"), (["--parallel=8"], "--parallel"), (["--gpu-layers=3"], "--gpu-layers"),
    (["--cache-ram=512"], "--cache-ram"),
])
def test_the_user_decides(parameters, ours):
    assert flag(rendered(parameters), ours) == parameters[0].split("=")[1]


@pytest.mark.parametrize("short, ours", [("-c=512", "--ctx-size"), ("-np=2", "--parallel"), ("-ngl=1", "--gpu-layers"),
                                         ("--n-gpu-layers=1", "--gpu-layers"), ("--ctx_size=9", "--ctx-size")])
def test_other_spellings_count_too(short, ours):
    assert ours not in rendered([short])["argv"]


def test_a_users_parallel_divides_the_context():
    assert "--kv-unified" not in rendered(["--parallel=2"])["argv"]
    assert llama_cpp.capacity(["--parallel=2"]) == 2 and llama_cpp.capacity([]) == 4


def test_embedding_models_take_a_whole_text_at_once():
    spec = rendered(category="embedding")
    assert "--embeddings" in spec["argv"] and flag(spec, "--ubatch-size") == flag(spec, "--batch-size") == "4096"
    assert "--reranking" in rendered(category="reranker")["argv"]


def test_words_are_split_as_llama_cpp_wants_them():
    assert split_words(["--a=b=c", "--flag", "x=y", "-c=5"]) == ["--a", "b=c", "--flag", "x=y", "-c", "5"]
    assert Flags(["-c=1", "--ctx-size=2"]).number(("--ctx-size", "-c")) == 2


def test_which_backend_serves_a_model():
    assert choose_backend("auto", {"format": "gguf", "category": "llm"}) == (BACKENDS["llama_cpp"], None)
    assert choose_backend("auto", {"format": "safetensors", "category": "llm"}) == (BACKENDS["vllm"], None)
    assert choose_backend("llama_cpp", {"format": "safetensors", "category": "llm"}) == (None, "llama_cpp: it serves gguf, not safetensors")
    assert choose_backend("auto", {"format": "safetensors", "category": "image"}) == (
        None, "llama_cpp: it serves gguf, not safetensors; vllm: it serves embedding, llm, reranker, not image")


@pytest.mark.parametrize("parameters, category", [
    ([], "llm"), ([], "embedding"), ([], "reranker"), (["--parallel=2", "--cache-type-k=q8_0", "--verbose"], "llm"),
])
def test_llama_cpp_itself_takes_the_flags(parameters, category, tmp_path):
    """The launcher's own parser reads the flags; the model does not exist, so it ends after them with 1 and not with 78."""
    key = tmp_path / "key"
    key.write_text("a-key")
    argv = rendered(parameters, category, path=str(tmp_path / "missing.gguf"))["argv"][2:]
    argv[argv.index("--api-key-file") + 1] = str(key)
    argv[argv.index("--host") + 1] = "127.0.0.1"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        argv[argv.index("--port") + 1] = str(unused.getsockname()[1])
    launcher = os.path.join(ROOT, llama_cpp.LAUNCHER)
    done = subprocess.run([sys.executable, launcher, *argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "failed to open GGUF file" in done.stdout + done.stderr
