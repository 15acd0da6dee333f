"""What each key accepts, and the sentence for what it does not."""

import pytest

HOSTS = "(hosts are those of the group gpu_hosts)"
SECRETS = "(secrets are the keys of modelfleet_secrets)"
REPLICAS = "replicas must be a number from 0 to 1000, {per_host: n} or {per_gpu: n} with n from 1 to 1000, not "
VARIABLE = "the name of an environment variable: letters, digits and _, the first one not a digit"
ALLOWED = (
    "aliases, backend, backend_executable, backend_packages, backend_version, categories, description, env, name, parameters, placement, "
    "replicas, "
    "restart, secrets, source, update"
)


def test_the_smallest_definition_has_all_defaults(folder):
    path = folder.write("a.yml", "name: a\nsource: {path: /m.gguf}\n")
    reading = folder.read()
    assert reading.problems == [] and reading.warnings == [] and reading.files == 1
    assert reading.deployments == [
        {
            "name": "a",
            "file": str(path),
            "source": {"path": "/m.gguf"},
            "replicas": {"count": 1},
            "backend": "auto",
            "backend_version": None,
            "backend_packages": [],
            "backend_executable": None,
            "parameters": [],
            "env": {},
            "secrets": {},
            "aliases": [],
            "description": "",
            "categories": [],
            "placement": {"strategy": "spread", "host_labels": {}, "gpus": [], "cpu_offload": True},
            "restart": {"on_error": True, "max_delay": 300},
            "update": {"max_unavailable": 1, "max_surge": 0},
        }
    ]


def test_everything_that_can_be_said(folder):
    path = folder.write(
        "a.yml",
        """
name: qwen3
source: {path: /srv/models/x.gguf}
replicas: {per_gpu: 2}
backend: llama_cpp
backend_version: "0.10"
backend_executable: /opt/llama/bin/llama-server
parameters: [--ctx-size=4096, "--parallel 4", -fa, "on", --flag, "-n -1", "--override-kv=a=b c"]
env: {NO_PROXY: "*", EMPTY: ""}
secrets: {HF_TOKEN: hub_token}
aliases: [gpt-4o-mini, Qwen/Qwen3-8B]
description: |
  Two
  lines
categories: [llm, embedding]
placement: {strategy: binpack, host_labels: {zone: a}, gpus: ["gpu01:0", "gpu02:11"], cpu_offload: false}
restart: {on_error: false, max_delay: 1}
update: {max_unavailable: 0, max_surge: 2}
""",
    )
    reading = folder.read()
    assert reading.problems == []
    assert reading.deployments == [
        {
            "name": "qwen3",
            "file": str(path),
            "source": {"path": "/srv/models/x.gguf"},
            "replicas": {"per_gpu": 2},
            "backend": "llama_cpp",
            "backend_version": "0.10",
            "backend_packages": [],
            "backend_executable": "/opt/llama/bin/llama-server",
            "parameters": ["--ctx-size=4096", "--parallel=4", "-fa", "on", "--flag", "-n=-1", "--override-kv=a=b c"],
            "env": {"NO_PROXY": "*", "EMPTY": ""},
            "secrets": {"HF_TOKEN": "hub_token"},
            "aliases": ["gpt-4o-mini", "Qwen/Qwen3-8B"],
            "description": "Two\nlines\n",
            "categories": ["llm", "embedding"],
            "placement": {
                "strategy": "binpack",
                "host_labels": {"zone": "a"},
                "cpu_offload": False,
                "gpus": [{"host": "gpu01", "index": 0}, {"host": "gpu02", "index": 11}],
            },
            "restart": {"on_error": False, "max_delay": 1},
            "update": {"max_unavailable": 0, "max_surge": 2},
        }
    ]


@pytest.mark.parametrize(
    "text, replicas", [("0", {"count": 0}), ("1000", {"count": 1000}), ("{per_host: 1}", {"per_host": 1})]
)
def test_replicas(folder, text, replicas):
    folder.write("a.yml", "name: a\nsource: {path: /m}\nreplicas: %s\n" % text)
    assert folder.read().deployments[0]["replicas"] == replicas


# (the third line of the file, what is said about it)
WRONG = [
    ("replicas: two", [REPLICAS + '"two"']),
    ('replicas: "2"', [REPLICAS + '"2"']),
    ("replicas: true", [REPLICAS + "true"]),
    ("replicas: 1.0", [REPLICAS + "1.0"]),
    ("replicas: -1", [REPLICAS + "-1"]),
    ("replicas: 1001", [REPLICAS + "1001"]),
    ("replicas: {per_hots: 1}", [REPLICAS + "{per_hots: 1}"]),
    ("replicas: {per_host: 0}", [REPLICAS + "{per_host: 0}"]),
    ("replicas: {per_host: 1, per_gpu: 1}", [REPLICAS + "{per_host: 1, per_gpu: 1}"]),
    ("replicas: [1]", [REPLICAS + "[1]"]),
    ("replicas:", [REPLICAS + "nothing"]),
    ("backend: vllmm", ['backend must be one of auto, llama_cpp, vllm, not "vllmm", did you mean vllm?']),
    ("backend: llama-cpp", ['backend must be one of auto, llama_cpp, vllm, not "llama-cpp", did you mean llama_cpp?']),
    ("backend: no", ['backend must be one of auto, llama_cpp, vllm, but YAML reads no as false: quote it, "no"']),
    ("backend: [auto]", ["backend must be one of auto, llama_cpp, vllm, not a list"]),
    ("backend_version: 0.10", ['backend_version must be text, but YAML reads 0.10 as a number: quote it, "0.10"']),
    ("backend_version: 5", ['backend_version must be text, but YAML reads 5 as a number: quote it, "5"']),
    (
        "backend_version: 2026-10-01",
        ['backend_version must be text, but YAML reads 2026-10-01 as a date: quote it, "2026-10-01"'],
    ),
    ("backend_version: 2026-13-01", ['backend_version is no valid timestamp: quote it, "2026-13-01"']),
    ('backend_version: "1 2"', ['backend_version must be a version like 1.2.3, not "1 2"']),
    (
        "backend_executable: llama-server",
        ['backend_executable must be an absolute path (it begins with /), not "llama-server"'],
    ),
    ("backend_packages: flash==1", ['backend_packages must be a list, not the text "flash==1"']),
    ("backend_packages: [flashinfer-python]",
     ['backend_packages[0] must be a Python package with its exact version, like "flashinfer-python==0.4.1", not "flashinfer-python"']),
    ('backend_packages: ["a>=1"]', ['backend_packages[0] must be a Python package with its exact version, like "flashinfer-python==0.4.1", not "a>=1"']),
    ('backend_packages: ["a==1.*"]',
     ['backend_packages[0] must be a Python package with its exact version, like "flashinfer-python==0.4.1", not "a==1.*"']),
    ('backend_packages: ["--index-url=http://x/"]',
     ['backend_packages[0] must be a Python package with its exact version, like "flashinfer-python==0.4.1", not "--index-url=http://x/"']),
    ('backend_packages: ["a==1", "a==1"]', ["backend_packages names a==1 twice"]),
    ('backend_executable: /opt/vllm\nbackend_packages: ["a==1"]',
     ["backend_packages has no effect with backend_executable, since nothing is installed then; remove one of them"]),
    ("parameters: [--served_model_name=x]", ["parameters[0] sets --served-model-name, which modelfleet sets itself; remove it"]),
    ("parameters: --ctx-size=1", ['parameters must be a list, not the text "--ctx-size=1"']),
    ("parameters: [5]", ['parameters[0] must be text, but YAML reads 5 as a number: quote it, "5"']),
    ("parameters: [{--ctx-size: 5}]", ["parameters[0] must be text, not a mapping"]),
    ('parameters: [" "]', ["parameters[0] is empty"]),
    ('parameters: ["--a b c"]', ["parameters[0] is ambiguous: is the value of --a one word? write '--a=b c'"]),
    ('parameters: ["--a  b"]', ["parameters[0] is ambiguous: is the value of --a one word? write '--a=b'"]),
    ('parameters: ["a\\0b"]', ["parameters[0] holds a NUL character"]),
    ("parameters: [--port=1]", ["parameters[0] sets --port, which modelfleet sets itself; remove it"]),
    ('parameters: ["-m x"]', ["parameters[0] sets -m, which modelfleet sets itself; remove it"]),
    ("parameters: [--api_key_file, x]", ["parameters[0] sets --api-key-file, which modelfleet sets itself; remove it"]),
    ("env: [A=1]", ["env must be a mapping, not a list"]),
    ("env: {A: 1}", ['env.A must be text, but YAML reads 1 as a number: quote it, "1"']),
    ("env: {A: off}", ['env.A must be text, but YAML reads off as false: quote it, "off"']),
    ("env: {A: }", ["env.A must be text, and there is nothing: give a value or remove the key"]),
    ('env: {A: "a\\0b"}', ['env.A must be a text without control characters, not "a\0b"']),
    ("env: {A-B: x}", ["env.A-B must be " + VARIABLE]),
    ("env: {NO: x}", ["env has the key NO, which YAML does not read as text; quote it"]),
    ("env: {1: x}", ["env has the key 1, which YAML does not read as text; quote it"]),
    ("secrets: {1A: hub_token}", ["secrets.1A must be " + VARIABLE]),
    ("secrets: {A: hub_tokn}", ["secrets.A names the unknown secret hub_tokn, did you mean hub_token? " + SECRETS]),
    ("secrets: {A: zzzzz}", ["secrets.A names the unknown secret zzzzz " + SECRETS]),
    ("aliases: gpt", ['aliases must be a list, not the text "gpt"']),
    (
        'aliases: ["a b"]',
        [
            "aliases[0] must be letters, digits and . _ : / @ + -, at most 128 characters, "
            'the first one a letter or digit, not "a b"'
        ],
    ),
    ("aliases: [b, b]", ["aliases[1] b is already an alias in d.yml:3"]),
    ("aliases: [a]", ["aliases[0] a is already a name in d.yml:1"]),
    ("description: 5", ['description must be text, but YAML reads 5 as a number: quote it, "5"']),
    ("categories: [llm, llm]", ["categories names llm twice"]),
    (
        "categories: [rerank]",
        [
            "categories[0] must be one of llm, embedding, reranker, image, speech_to_text, text_to_speech, "
            'not "rerank", '
            "did you mean reranker?"
        ],
    ),
    ("placement: spread", ['placement must be a mapping, not the text "spread"']),
    (
        "placement: {strategy: spred}",
        ['placement.strategy must be one of spread, binpack, not "spred", did you mean spread?'],
    ),
    (
        "placement: {gpu: []}",
        ["placement.gpu is an unknown key, did you mean gpus? allowed: cpu_offload, gpus, host_labels, strategy"],
    ),
    ("placement: {zzz: 1}", ["placement.zzz is an unknown key; allowed: cpu_offload, gpus, host_labels, strategy"]),
    (
        "placement: {host_labels: {rack: 12}}",
        ['placement.host_labels.rack must be text, but YAML reads 12 as a number: quote it, "12"'],
    ),
    (
        "placement: {gpus: [gpu01]}",
        ['placement.gpus[0] must be a host and the index of a GPU, like "gpu01:0", not "gpu01"'],
    ),
    ("placement: {gpus: [gpu1:0]}", ["placement.gpus[0] names the unknown host gpu1, did you mean gpu01? " + HOSTS]),
    ("placement: {gpus: [web:0]}", ["placement.gpus[0] names the unknown host web " + HOSTS]),
    ("placement: {gpus: [gpu01:0, gpu01:0]}", ["placement.gpus names gpu01:0 twice"]),
    (
        'placement: {cpu_offload: "true"}',
        ['placement.cpu_offload must be true or false, not the text "true": remove the quotes'],
    ),
    ("placement: {cpu_offload: 1}", ["placement.cpu_offload must be true or false, not 1"]),
    ("restart: {max_delay: 301}", ["restart.max_delay must be at most 300, not 301"]),
    ("restart: {max_delay: 0}", ["restart.max_delay must be at least 1, not 0"]),
    ('restart: {max_delay: "60"}', ['restart.max_delay must be a whole number, not the text "60": remove the quotes']),
    ("restart: {max_delay: true}", ["restart.max_delay must be a whole number, not true"]),
    ("update: 3", ["update must be a mapping, not 3"]),
    (
        "update: {max_unavailable: 0}",
        ["update.max_unavailable and update.max_surge are both 0, so nothing could ever change; raise one of them"],
    ),
    ("parameter: []", ["parameter is an unknown key, did you mean parameters? allowed: " + ALLOWED]),
    ("env: {A: x}\nsecrets: {A: proxy}", ["secrets.A is also set by env, remove one of them"]),
    ("env: {CUDA_VISIBLE_DEVICES: '0'}", [
        "env.CUDA_VISIBLE_DEVICES cannot be set: modelfleet hands every engine its GPUs; to choose them use placement.gpus"]),
    ("secrets: {VLLM_API_KEY: proxy}", ["secrets.VLLM_API_KEY cannot be set: modelfleet gives every engine its own key, which the routers send"]),
    ("env: {LLAMA_ARG_CTX_SIZE: '4096', LLAMA_ARGS: x}", [
        "env.LLAMA_ARG_CTX_SIZE cannot be set: the plan reads flags only where parameters sets them; write it there"]),
]


@pytest.mark.parametrize("text, messages", WRONG, ids=[text for text, _messages in WRONG])
def test_one_sentence_for_what_is_wrong(definition, text, messages):
    line = 2 + len(text.splitlines())
    assert definition(text + "\n") == ["d.yml:%d: %s" % (line, message) for message in messages]


NAME_RULE = "lower case letters, digits and dashes, not at the ends, at most 48 characters"


@pytest.mark.parametrize(
    "base, messages",
    [
        ("source: {path: /m}\n", ["d.yml:1: name is required"]),
        ("name: no\nsource: {path: /m}\n", ['d.yml:1: name must be text, but YAML reads no as false: quote it, "no"']),
        ("name: A\nsource: {path: /m}\n", ['d.yml:1: name must be %s, not "A"' % NAME_RULE]),
        ("name: %s\nsource: {path: /m}\n" % ("a" * 49), ['d.yml:1: name must be %s, not "%s"' % (NAME_RULE, "a" * 49)]),
        ("name: a\n", ["d.yml:1: source is required"]),
        ("name: a\nsource: /m\n", ['d.yml:2: source must be a mapping like {path: /srv/models/model.gguf}, not "/m"']),
        ("name: a\nsource: {}\n", ["d.yml:2: source is empty, it must name one of: path"]),
        ("name: a\nsource: {pth: /m}\n", ["d.yml:2: source has the unknown key pth, did you mean path? allowed: path"]),
        ("name: a\nsource: {huggingface: Q/x}\n", ["d.yml:2: source has the unknown key huggingface; allowed: path"]),
        (
            "name: a\nsource: {path: ~/m.gguf}\n",
            ['d.yml:2: source.path must be an absolute path, or one that begins below modelfleet_cache_dir of the host '
             '(~ means nothing there), not "~/m.gguf"'],
        ),
        ("name: a\nsource:\n  path: /m\n  file: x\n", ["d.yml:4: source.file is an unknown key; allowed: path"]),
        (
            "name: a\nsource: {path: 5}\n",
            ['d.yml:2: source.path must be text, but YAML reads 5 as a number: quote it, "5"'],
        ),
    ],
)
def test_what_is_required(definition, base, messages):
    assert definition("", base) == messages
