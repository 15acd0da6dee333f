"""Directories of safetensors: what is told of a sound one, and the sentence about each that is not."""

import builtins
import json
import os
import struct

import gguf_bytes
import pytest
import safetensors_bytes as build
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.errors import ModelError
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.files import read_model
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.local import inspect

from tests.lab.models import recite_safetensors

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4976698672\n"


def refused(path):
    """(path that the sentence is about, relative; sentence)."""
    with pytest.raises(ModelError) as caught:
        read_model(str(path))
    return os.path.relpath(caught.value.path or path, path), caught.value.sentence


def test_all_fields(tmp_path):
    path = build.directory(tmp_path / "Tiny-Llama")
    metadata = read_model(str(path))
    fingerprint = metadata.pop("fingerprint")
    assert fingerprint.startswith("sha256:") and len(fingerprint) == 71
    names = ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"]
    files = [{"path": str(path / name), "bytes": os.path.getsize(path / name)} for name in names]
    assert metadata == {
        "format": "safetensors",
        "architecture": "LlamaForCausalLM",
        "model_type": "llama",
        "name": "Tiny-Llama",
        "parameters": 2 * 640 + 2 * 4096 + 64,
        "layers": 2,
        "heads": 4,
        "kv_heads": 2,
        "head_dim_k": 16,
        "head_dim_v": 16,
        "embedding_length": 64,
        "feed_forward_length": 96,
        "vocab_size": 10,
        "context": 4096,
        "dtype": "bfloat16",
        "quantization": "BF16",
        "weights_bytes": 2 * (2 * 640 + 2 * 4096 + 64),
        "file_bytes": sum(entry["bytes"] for entry in files),
        "files": files,
        "layer_bytes": [8192, 8192],
        "input_bytes": 1280,
        "output_bytes": 1280 + 128,
        "tied": False,
        "experts": 0,
        "sliding_window": None,
        "pooling": None,
        "has_chat_template": True,
        "custom_code": False,
        "category": "llm",
        "categories": ["llm"],
        "category_rule": "architecture LlamaForCausalLM",
    }


def test_every_format_tells_the_same_keys(tmp_path):
    (tmp_path / "x.gguf").write_bytes(gguf_bytes.model())
    answers = [read_model(str(tmp_path / "x.gguf")), read_model(str(build.directory(tmp_path / "a"))), read_model(str(diffusers(tmp_path / "b")))]
    assert set(answers[0]) == set(answers[1]) == set(answers[2])


def test_the_generated_models_of_the_lab(tmp_path):
    recite_safetensors.write_model(tmp_path / "whole")
    recite_safetensors.write_model(tmp_path / "parts", sharded=True)
    whole, parts = read_model(str(tmp_path / "whole")), read_model(str(tmp_path / "parts"))
    for key in ("parameters", "weights_bytes", "layer_bytes", "input_bytes", "output_bytes", "context", "category"):
        assert parts[key] == whole[key], key
    assert [os.path.basename(entry["path"]) for entry in parts["files"][:3]] == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
    ]  # fmt: skip
    recite_safetensors.write_model(tmp_path / "embed", embedding=True)
    embed = read_model(str(tmp_path / "embed"))
    assert (embed["category"], embed["pooling"], embed["tied"]) == ("embedding", "mean", False)
    assert embed["files"][-1]["path"] == str(tmp_path / "embed" / "1_Pooling" / "config.json")


def test_weights_are_never_read(tmp_path, monkeypatch):
    path = build.directory(tmp_path / "m", shards=2)
    furthest = {}
    real = builtins.open

    def watched(file, *args, **kwargs):
        stream = real(file, *args, **kwargs)
        if not str(file).endswith(".safetensors"):
            return stream
        counting = gguf_bytes.Counting(stream.read())
        stream.close()
        furthest[os.path.basename(file)] = counting
        return counting

    monkeypatch.setattr(builtins, "open", watched)
    read_model(str(path))
    assert len(furthest) == 2
    for name, stream in furthest.items():
        assert stream.furthest == 8 + struct.unpack("<Q", (path / name).read_bytes()[:8])[0], name


@pytest.mark.parametrize(
    "config, tensors, tied",
    [
        ({"tie_word_embeddings": True}, None, True),
        ({}, {name: entry for name, entry in build.TENSORS.items() if name != "lm_head.weight"}, True),
        ({"tie_word_embeddings": False}, {name: entry for name, entry in build.TENSORS.items() if name != "lm_head.weight"}, False),
    ],
)
def test_tied_output_heads(tmp_path, config, tensors, tied):
    assert read_model(str(build.directory(tmp_path / "m", config, tensors)))["tied"] is tied


def test_where_the_bytes_are(tmp_path):
    tensors = {
        "model.visual.blocks.0.attn.qkv.weight": ("BF16", [1000]),
        "model.visual.merger.norm.weight": ("BF16", [1]),
        "model.language_model.embed_tokens.weight": ("BF16", [10]),
        "model.language_model.layers.0.mlp.experts.0.up_proj.weight": ("F8_E4M3", [100]),
        "model.language_model.layers.1.mlp.up_proj.weight": ("BF16", [200]),
        "model.language_model.layers.2.eh_proj.weight": ("BF16", [7]),
        "model.language_model.norm.weight": ("BF16", [3]),
        "lm_head.weight": ("BF16", [20]),
    }
    metadata = read_model(str(build.directory(tmp_path / "m", tensors=tensors)))
    assert metadata["layer_bytes"] == [100, 400]
    assert metadata["input_bytes"] == 2000 + 2 + 20
    assert metadata["output_bytes"] == 14 + 6 + 40
    bert = {"embeddings.word_embeddings.weight": ("F32", [10]), "encoder.layer.0.output.dense.weight": ("F32", [5]), "pooler.dense.weight": ("F32", [2])}
    metadata = read_model(str(build.directory(tmp_path / "b", {"architectures": ["BertModel"], "num_hidden_layers": None}, bert)))
    assert (metadata["layer_bytes"], metadata["input_bytes"], metadata["output_bytes"]) == ([20], 40, 8)
    assert (metadata["tied"], metadata["quantization"], metadata["dtype"]) == (False, "F32", "bfloat16")


def test_dtype_of_the_weights_where_config_says_nothing(tmp_path):
    assert read_model(str(build.directory(tmp_path / "m", {"dtype": None}, {"a": ("F16", [9]), "b": ("F32", [2])})))["dtype"] == "float16"


def test_how_long_a_text_may_be_for_pooling_models(tmp_path):
    config = {"architectures": ["XLMRobertaForSequenceClassification"], "max_position_embeddings": 514, "position_embedding_type": "absolute"}
    limit = {"tokenizer_config": {"model_max_length": 512}}
    metadata = read_model(str(build.directory(tmp_path / "a", config, **limit)))
    assert (metadata["category"], metadata["context"]) == ("reranker", 512)
    assert read_model(str(build.directory(tmp_path / "b", {"max_position_embeddings": 514}, **limit)))["context"] == 514
    assert read_model(str(build.directory(tmp_path / "c", config, sentence_bert_config={"max_seq_length": 256}, **limit)))["context"] == 256


def test_custom_code_and_chat_templates(tmp_path):
    code = {"auto_map": {"AutoModelForCausalLM": "modeling_x.X"}}
    assert read_model(str(build.directory(tmp_path / "a", code)))["custom_code"] is True
    path = build.directory(tmp_path / "b", tokenizer_config={"auto_map": {"AutoTokenizer": ["tokenization_x.X", None]}})
    metadata = read_model(str(path))
    assert (metadata["custom_code"], metadata["has_chat_template"]) == (True, False)
    (path / "chat_template.jinja").write_text("{{ messages }}")
    metadata = read_model(str(path))
    assert metadata["has_chat_template"] is True
    assert str(path / "chat_template.jinja") in [entry["path"] for entry in metadata["files"]]


def test_names_from_the_cache_of_the_hub(tmp_path):
    path = build.directory(tmp_path / "models--Qwen--Qwen3-Reranker-4B" / "snapshots" / "0123abc")
    metadata = read_model(str(path))
    assert (metadata["name"], metadata["category_rule"]) == ("Qwen3-Reranker-4B", "its name is Qwen3-Reranker-4B")


def test_second_copies_of_the_weights_are_left_out(tmp_path):
    path = build.directory(tmp_path / "m", shards=2)
    expected = read_model(str(path))
    (path / "consolidated.safetensors").write_bytes(b"")
    (path / "model.fp16.safetensors").write_bytes(b"")
    (path / "pytorch_model.bin").write_bytes(b"")
    (path / ".model.safetensors.part").write_bytes(b"")
    assert read_model(str(path)) == expected


def test_the_fingerprint_changes_with_headers_sizes_and_config(tmp_path):
    def fingerprint(name, *args, **kwargs):
        (tmp_path / "at").mkdir(exist_ok=True)
        path = build.directory(tmp_path / "at" / name, *args, **kwargs)
        return read_model(str(path))["fingerprint"]

    first = fingerprint("a")
    assert fingerprint("b") == first
    assert fingerprint("c", {"rope_theta": 10000.0}) != first
    assert fingerprint("d", tensors={**build.TENSORS, "model.norm.weight": ("F16", [64])}) != first
    assert fingerprint("e", tokenizer={"version": "1.0"}) != first


def test_missing_parts_are_named(tmp_path):
    path = build.directory(tmp_path / "m", shards=3)
    (path / "model-00003-of-00003.safetensors").unlink()
    sentence = "1 of 3 parts are missing beside it: model-00003-of-00003.safetensors"
    assert refused(path) == ("model.safetensors.index.json", sentence)
    (path / "model.safetensors.index.json").unlink()
    assert refused(path) == (".", sentence)
    (path / "model-00001-of-00003.safetensors").unlink()
    assert refused(path) == (".", "2 of 3 parts are missing beside it: model-00001-of-00003.safetensors, model-00003-of-00003.safetensors")


def test_a_part_that_is_cut_off_is_named(tmp_path):
    path = build.directory(tmp_path / "m", shards=2)
    shard = path / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-40])
    where, sentence = refused(path)
    assert where == shard.name and sentence.startswith("the file is cut off: 40 bytes are missing")


def test_tensors_that_no_part_holds(tmp_path):
    path = build.directory(tmp_path / "m", shards=2)
    index = path / "model.safetensors.index.json"
    values = json.loads(index.read_text())
    values["weight_map"]["model.layers.9.lost.weight"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(values))
    where, sentence = refused(path)
    assert where == index.name and sentence.startswith("names 1 tensors that no part holds (model.layers.9.lost.weight); the parts are of another model")


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": 1}}, {"weight_map": {"a": "../a.safetensors"}}])
def test_an_index_that_is_none(tmp_path, index):
    where, sentence = refused(build.directory(tmp_path / "m", **{"model.safetensors.index": index}))
    assert where == "model.safetensors.index.json" and sentence.startswith("is no index of weights")


def test_two_sets_of_weights(tmp_path):
    path = build.directory(tmp_path / "m", shards=2)
    (path / "other.safetensors.index.json").write_bytes((path / "model.safetensors.index.json").read_bytes())
    assert refused(path) == (
        ".",
        "holds 2 indexes of weights (model.safetensors.index.json, other.safetensors.index.json); keep the one of the weights that shall be served",
    )
    path = build.directory(tmp_path / "n")
    (path / "copy.safetensors").write_bytes(build.file())
    assert refused(path) == (".", "holds the tensor model.embed_tokens.weight in copy.safetensors and in model.safetensors; keep one set of weights")


def test_a_missing_or_broken_config(tmp_path):
    path = build.directory(tmp_path / "m")
    config = path / "config.json"
    config.write_text('{"architectures": [')
    where, sentence = refused(path)
    assert where == "config.json" and sentence.startswith("is no JSON (Expecting value: line 1 column 20")
    config.write_text("[]")
    assert refused(path) == ("config.json", "is no JSON object; copy or download it again")
    config.write_bytes(b"")
    assert refused(path) == ("config.json", "the file is empty")
    config.write_bytes(POINTER)
    assert "git lfs pull" in refused(path)[1]
    config.write_text("{}")
    assert refused(path)[0] == "config.json" and refused(path)[1].startswith("names no architectures")
    config.unlink()
    assert refused(path) == (".", "config.json is missing beside model.safetensors; copy or download the whole directory again")
    config.mkdir()
    assert refused(path) == ("config.json", "is not a regular file")


def test_other_layouts_without_config(tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(build.file())
    (tmp_path / "adapter_config.json").write_text("{}")
    assert refused(tmp_path) == (".", "a LoRA adapter, not a model that can be served by itself")
    (tmp_path / "adapter_config.json").rename(tmp_path / "params.json")
    assert refused(tmp_path)[1].startswith("has params.json in place of config.json (Mistral's own layout)")


def test_tokenizers(tmp_path):
    path = build.directory(tmp_path / "m")
    (path / "tokenizer.json").unlink()
    assert refused(path)[1].startswith("its tokenizer is missing: neither tokenizer.json nor")
    (path / "vocab.json").write_text("{}")
    assert refused(path)[1].startswith("its tokenizer is missing")
    (path / "merges.txt").write_text("a b\n")
    assert read_model(str(path))["category"] == "llm"
    for name in ("tokenizer.model", "tekken.json", "vocab.txt", "qwen.tiktoken", "sentencepiece.bpe.model"):
        path = build.directory(tmp_path / name)
        (path / "tokenizer.json").rename(path / name)
        assert read_model(str(path))["category"] == "llm"
    (path / "sentencepiece.bpe.model").write_bytes(POINTER)
    where, sentence = refused(path)
    assert where == "sentencepiece.bpe.model" and "git lfs pull" in sentence


def test_a_module_of_sentence_transformers_that_is_missing(tmp_path):
    recite_safetensors.write_model(tmp_path / "m", embedding=True)
    (tmp_path / "m" / "1_Pooling" / "config.json").unlink()
    answer = inspect(str(tmp_path / "m"), "gpu01")
    assert (answer["found"], answer["error"]) == (True, "gpu01: %s/m/1_Pooling/config.json: no such file" % tmp_path)


def test_speech_needs_no_tokenizer_to_be_recognized(tmp_path):
    path = build.directory(tmp_path / "m", {"architectures": ["WhisperForConditionalGeneration"]})
    (path / "tokenizer.json").unlink()
    assert read_model(str(path))["category"] == "speech_to_text"


def test_pointers_in_place_of_weights(tmp_path):
    path = build.directory(tmp_path / "m", shards=2)
    (path / "model-00001-of-00002.safetensors").write_bytes(POINTER)
    assert refused(path) == (
        "model-00001-of-00002.safetensors",
        "a git-lfs pointer, not the model itself; run git lfs pull where it was cloned",
    )


def test_directories_without_safetensors(tmp_path):
    assert refused(tmp_path) == (".", "is a directory without a model (GGUF, or safetensors with config.json)")
    (tmp_path / "config.json").write_text("{}")
    assert refused(tmp_path)[1].startswith("has a config.json, but no weights (*.safetensors)")
    for name in ("optimizer.pt", "pytorch_model-00001-of-00002.bin", "training_args.bin"):
        (tmp_path / name).write_bytes(b"PK")
    assert refused(tmp_path)[1].startswith("has its weights in pytorch_model-00001-of-00002.bin; only safetensors are served, convert them")


def test_both_formats_in_one_directory(tmp_path):
    path = build.directory(tmp_path / "m")
    (path / "tiny.gguf").write_bytes(gguf_bytes.model())
    assert refused(path) == (
        ".",
        "is a directory with 2 models (model.safetensors, tiny.gguf): name a GGUF file, or give each model a directory of its own",
    )
    assert read_model(str(path / "tiny.gguf"))["format"] == "gguf"
    (path / "model.safetensors").unlink()
    assert read_model(str(path))["format"] == "gguf"


def test_one_file_of_the_directory_was_named(tmp_path):
    path = build.directory(tmp_path / "m")
    with pytest.raises(ModelError, match="a safetensors file; name the directory that holds it and its config.json"):
        read_model(str(path / "model.safetensors"))


def test_what_stops_the_service_user(tmp_path):
    path = tmp_path
    for parent in (path, path.parent, path.parent.parent):
        os.chmod(parent, 0o755)
    path = build.directory(path / "m")
    assert inspect(str(path), "gpu01", "no-such-user")["error"] is None
    os.chmod(path / "tokenizer.json", 0o600)
    assert inspect(str(path), "gpu01", "no-such-user")["error"] == (
        "gpu01: %s/tokenizer.json: permission denied at %s/tokenizer.json (user no-such-user needs r)" % (path, path)
    )
    os.chmod(path, 0o711)
    assert inspect(str(path), "gpu01", "no-such-user")["error"] == "gpu01: %s: permission denied at %s (user no-such-user needs r)" % (path, path)


def diffusers(path):
    path.mkdir()
    index = {"_class_name": "FluxPipeline", "_diffusers_version": "0.30", "vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "X"],
             "transformer": ["diffusers", "FluxTransformer2DModel"], "safety_checker": [None, None]}  # fmt: skip
    (path / "model_index.json").write_text(json.dumps(index))
    for component in ("vae", "scheduler", "transformer"):
        (path / component).mkdir()
    for name in ("vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors"):
        (path / name).write_bytes(build.file({"a": ("F16", [6])}))
    (path / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(build.file({"a": ("BF16", [50])}))
    (path / "flux1-dev.safetensors").write_bytes(b"")
    return path


def test_models_for_images(tmp_path):
    path = diffusers(tmp_path / "flux")
    metadata = read_model(str(path))
    assert (metadata["category"], metadata["category_rule"]) == ("image", "it has a model_index.json of diffusers")
    assert (metadata["architecture"], metadata["dtype"], metadata["weights_bytes"], metadata["parameters"]) == ("FluxPipeline", "bfloat16", 112, 56)
    (path / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    (path / "transformer").rmdir()
    assert refused(path) == ("model_index.json", "1 of 3 components are missing beside it: transformer")
