"""Metadata of models that the real gguf library wrote, and of sets of files."""

import os

import gguf
import gguf_bytes as build
import numpy
import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.errors import ModelError
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.files import read_model
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.gguf.types import (
    FILE_TYPES,
    TENSOR_TYPES,
)


def write(path, architecture="llama", layers=2, tied=False, shards=0, keys=None, quantized=False, extra=()):
    """A tiny model by the real writer; ``keys`` gets the writer."""
    writer = gguf.GGUFWriter(str(path), architecture, split_max_tensors=shards)
    writer.add_name("Tiny")
    writer.add_block_count(layers)
    writer.add_context_length(4096)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_token_list(["a", "b", "c", "d"])
    writer.add_chat_template("{{ messages }}")
    if keys:
        keys(writer)
    writer.add_tensor("token_embd.weight", numpy.zeros((4, 64), numpy.float32))
    for layer in range(layers):
        weights = numpy.zeros((64, 64), numpy.float16)
        if quantized:
            weights = gguf.quants.quantize(weights.astype(numpy.float32), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor("blk.%d.attn_q.weight" % layer, weights, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor("blk.%d.attn_q.weight" % layer, weights)
    writer.add_tensor("output_norm.weight", numpy.zeros(64, numpy.float32))
    if not tied:
        writer.add_tensor("output.weight", numpy.zeros((4, 64), numpy.float16))
    for name in extra:
        writer.add_tensor(name, numpy.zeros(64, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_tables_are_those_of_the_real_library():
    sizes = {int(kind): (kind.name, *size) for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {number: TENSOR_TYPES.get(number) for number in sizes} == sizes
    names = {
        int(kind): kind.name.replace("MOSTLY_", "").replace("ALL_", "")
        for kind in gguf.LlamaFileType
        if kind.name != "GUESSED"
    }
    assert {number: FILE_TYPES.get(number) for number in names} == names


def test_all_fields(tmp_path):
    path = tmp_path / "tiny.gguf"
    write(path, keys=lambda writer: writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16))
    metadata = read_model(str(path))
    fingerprint = metadata.pop("fingerprint")
    assert fingerprint.startswith("sha256:") and len(fingerprint) == 71
    assert metadata == {
        "format": "gguf",
        "architecture": "llama",
        "model_type": None,
        "name": "Tiny",
        "parameters": 4 * 64 + 2 * 64 * 64 + 64 + 4 * 64,
        "layers": 2,
        "heads": 4,
        "kv_heads": 2,
        "head_dim_k": 16,
        "head_dim_v": 16,
        "embedding_length": 64,
        "feed_forward_length": 96,
        "vocab_size": 4,
        "context": 4096,
        "dtype": None,
        "quantization": "F16",
        "weights_bytes": 4 * 64 * 4 + 2 * 64 * 64 * 2 + 64 * 4 + 4 * 64 * 2,
        "file_bytes": os.path.getsize(path),
        "files": [{"path": str(path), "bytes": os.path.getsize(path)}],
        "layer_bytes": [8192, 8192],
        "input_bytes": 1024,
        "output_bytes": 256 + 512,
        "tied": False,
        "experts": 0,
        "sliding_window": None,
        "pooling": None,
        "has_chat_template": True,
        "custom_code": False,
        "category": "llm",
        "categories": ["llm"],
        "category_rule": "no other rule fits",
    }


def test_quantized_without_file_type_names_what_holds_most_bytes(tmp_path):
    path = tmp_path / "tiny.gguf"
    write(path, quantized=True, tied=True)
    metadata = read_model(str(path))
    assert metadata["quantization"] == "Q8_0"
    assert metadata["layer_bytes"] == [64 * 64 // 32 * 34] * 2
    assert metadata["tied"] is True
    assert (
        metadata["weights_bytes"] == metadata["input_bytes"] + sum(metadata["layer_bytes"]) + metadata["output_bytes"]
    )


def test_layers_that_differ_and_own_head_sizes(tmp_path):
    path = tmp_path / "tiny.gguf"
    values = [
        ("llama.block_count", build.U32, 2),
        ("llama.embedding_length", build.U32, 64),
        ("llama.attention.head_count", build.ARRAY, (build.I32, [4, 8])),
        ("llama.attention.head_count_kv", build.ARRAY, (build.I32, [0, 2])),
        ("llama.feed_forward_length", build.ARRAY, (build.I32, [96, 96])),
        ("llama.attention.key_length", build.U32, 576),
        ("llama.attention.value_length", build.U32, 512),
        ("llama.expert_count", build.U32, 8),
        ("llama.attention.sliding_window", build.U32, 1024),
        ("llama.vocab_size", build.U32, 10),
    ]
    path.write_bytes(build.model(values))
    metadata = read_model(str(path))
    assert (metadata["heads"], metadata["kv_heads"], metadata["feed_forward_length"]) == ([4, 8], [0, 2], 96)
    assert (metadata["head_dim_k"], metadata["head_dim_v"]) == (576, 512)
    assert (metadata["experts"], metadata["sliding_window"], metadata["vocab_size"]) == (8, 1024, 10)
    assert (metadata["layers"], metadata["layer_bytes"], metadata["context"]) == (2, [0, 0], None)


def test_no_key_value_heads_given_means_as_many_as_heads(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(
        build.model([("llama.attention.head_count", build.U32, 4), ("llama.embedding_length", build.U32, 64)])
    )
    metadata = read_model(str(path))
    assert (metadata["heads"], metadata["kv_heads"], metadata["head_dim_k"]) == (4, 4, 16)


def test_a_model_without_attention(tmp_path):
    path = tmp_path / "mamba.gguf"
    path.write_bytes(
        build.model([("llama.attention.head_count", build.U32, 0), ("llama.embedding_length", build.U32, 64)])
    )
    metadata = read_model(str(path))
    assert (metadata["heads"], metadata["kv_heads"], metadata["head_dim_k"]) == (0, 0, 0)


def test_shards_are_one_model_whichever_part_is_named(tmp_path):
    write(tmp_path / "big.gguf", shards=2)
    parts = sorted(os.listdir(tmp_path))
    assert parts[0] == "big-00001-of-0000%d.gguf" % len(parts) and len(parts) > 2
    answers = [read_model(str(tmp_path / part)) for part in parts] + [read_model(str(tmp_path))]
    assert all(answer == answers[0] for answer in answers)
    write(tmp_path / "whole.gguf")
    whole = read_model(str(tmp_path / "whole.gguf"))
    for key in ("parameters", "weights_bytes", "layer_bytes", "input_bytes", "output_bytes", "context"):
        assert answers[0][key] == whole[key], key
    assert [entry["path"] for entry in answers[0]["files"]] == [str(tmp_path / part) for part in parts]


def test_a_missing_part_is_named(tmp_path):
    write(tmp_path / "big.gguf", shards=2)
    parts = sorted(os.listdir(tmp_path))
    (tmp_path / parts[1]).unlink()
    with pytest.raises(ModelError, match="1 of its %d parts are missing beside it: %s" % (len(parts), parts[1])):
        read_model(str(tmp_path / parts[0]))


def test_a_broken_part_is_named(tmp_path):
    write(tmp_path / "big.gguf", shards=2)
    last = sorted(os.listdir(tmp_path))[-1]
    (tmp_path / last).write_bytes((tmp_path / last).read_bytes()[:-40])
    with pytest.raises(ModelError) as caught:
        read_model(str(tmp_path))
    assert caught.value.path == str(tmp_path / last)
    assert "bytes are missing" in caught.value.sentence


def test_a_renamed_part_and_a_wrong_set(tmp_path):
    write(tmp_path / "big.gguf", shards=2)
    first, second = sorted(os.listdir(tmp_path))[:2]
    (tmp_path / "lonely.gguf").write_bytes((tmp_path / first).read_bytes())
    with pytest.raises(ModelError, match="is one of 3 parts, but not named <model>-00001-of-00003.gguf"):
        read_model(str(tmp_path / "lonely.gguf"))
    (tmp_path / second).write_bytes((tmp_path / first).read_bytes())
    with pytest.raises(ModelError, match="is part 2 by its name, but part 1 by its header") as caught:
        read_model(str(tmp_path / first))
    assert caught.value.path == str(tmp_path / second)


def test_parts_of_different_models(tmp_path):
    def part(number, tensors):
        split = [("split.no", build.U16, number), ("split.count", build.U16, 2), ("split.tensors.count", build.I32, 3)]
        (tmp_path / ("m-0000%d-of-00002.gguf" % (number + 1))).write_bytes(
            build.model(split, [(name, (8,), 0) for name in tensors])
        )

    part(0, ["a", "b"])
    part(1, ["c"])
    assert read_model(str(tmp_path))["parameters"] == 24
    part(1, ["c", "d"])
    with pytest.raises(ModelError, match="its parts do not belong together: 3 tensors expected, 4 found"):
        read_model(str(tmp_path))


def test_a_part_with_an_impossible_number(tmp_path):
    path = tmp_path / "x-00009-of-00003.gguf"
    path.write_bytes(build.model())
    with pytest.raises(ModelError, match="the name says part 00009 of 00003"):
        read_model(str(path))


def test_directories(tmp_path):
    with pytest.raises(ModelError, match="is a directory without a model"):
        read_model(str(tmp_path))
    (tmp_path / "one.gguf").write_bytes(build.model())
    (tmp_path / "mmproj-one.gguf").write_bytes(b"")
    (tmp_path / ".part.gguf").write_bytes(b"")
    assert read_model(str(tmp_path))["files"][0]["path"] == str(tmp_path / "one.gguf")
    (tmp_path / "two.gguf").write_bytes(build.model())
    with pytest.raises(ModelError, match=r"is a directory with 2 models \(one.gguf, two.gguf\): name a GGUF file, or give each"):
        read_model(str(tmp_path))


@pytest.mark.parametrize(
    "values, words",
    [
        ([("general.type", build.STRING, "mmproj")], "a projector for images or sound, not a model"),
        ([("general.type", build.STRING, "adapter")], "a LoRA adapter, not a model"),
    ],
)
def test_files_that_are_no_models(tmp_path, values, words):
    (tmp_path / "x.gguf").write_bytes(build.model(values))
    with pytest.raises(ModelError, match=words):
        read_model(str(tmp_path / "x.gguf"))


def test_no_architecture(tmp_path):
    (tmp_path / "x.gguf").write_bytes(build.header([], []) + bytes(8))
    with pytest.raises(ModelError, match="names no general.architecture"):
        read_model(str(tmp_path / "x.gguf"))


def test_the_fingerprint_changes_with_header_and_size_only(tmp_path):
    def fingerprint(name, values=(), tail=b""):
        (tmp_path / name).write_bytes(build.model(values) + tail)
        return read_model(str(tmp_path / name))["fingerprint"]

    first = fingerprint("a.gguf")
    assert fingerprint("b.gguf") == first
    assert fingerprint("c.gguf", [("x", build.U32, 1)]) != first
    assert fingerprint("d.gguf", tail=b"x") != first


def test_embedding_model_is_recognized_from_its_file(tmp_path):
    write(tmp_path / "e.gguf", keys=lambda writer: writer.add_pooling_type(gguf.PoolingType.MEAN))
    metadata = read_model(str(tmp_path / "e.gguf"))
    assert (metadata["pooling"], metadata["category"], metadata["category_rule"]) == (
        "mean",
        "embedding",
        "pooling mean",
    )


def test_classifier_tensors_make_a_reranker(tmp_path):
    write(tmp_path / "r.gguf", architecture="bert", tied=True, extra=["cls.weight"])
    metadata = read_model(str(tmp_path / "r.gguf"))
    assert (metadata["category"], metadata["category_rule"], metadata["tied"]) == (
        "reranker",
        "classifier tensors",
        False,
    )
