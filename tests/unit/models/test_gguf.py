"""The header reader: every value, no byte too many, and a sentence for each kind of broken file."""

import struct

import gguf_bytes as build
import pytest
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.errors import ModelError
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.gguf.header import Counted, read_header
from hypothesis import given
from hypothesis import strategies as st


def read(data):
    return read_header(build.Counting(data), len(data))


def sentence(data):
    with pytest.raises(ModelError) as caught:
        read(data)
    return caught.value.sentence


@pytest.mark.parametrize("version", [2, 3])
def test_values_of_every_type(version):
    values = [
        ("u8", build.U8, 200),
        ("i8", build.I8, -3),
        ("u16", build.U16, 65000),
        ("i16", build.I16, -300),
        ("u32", build.U32, 2**32 - 1),
        ("i32", build.I32, -5),
        ("f32", build.F32, 0.5),
        ("bool", build.BOOL, True),
        ("string", build.STRING, "grüße"),
        ("u64", build.U64, 2**64 - 1),
        ("i64", build.I64, -(2**60)),
        ("f64", build.F64, 0.1),
        ("per_layer", build.ARRAY, (build.I32, [4, 0, 4])),
        ("flags", build.ARRAY, (build.BOOL, [True, False])),
        ("tags", build.ARRAY, (build.STRING, ["a", "b"])),
        ("empty", build.ARRAY, (build.U32, [])),
    ]
    header = read(build.model(values, version=version))
    assert header.version == version
    expected = {key: value for key, kind, value in values if kind != build.ARRAY}
    assert {key: header.values[key] for key in expected} == expected
    assert header.values["per_layer"] == [4, 0, 4]
    assert header.values["flags"] == [True, False]
    assert header.values["tags"] == Counted(2)
    assert header.values["empty"] == []


texts = st.lists(st.binary(max_size=40), max_size=300)


@given(tokens=texts, scores=st.integers(0, 6000), note=st.text(max_size=50), tensors=st.integers(0, 5))
def test_no_byte_beyond_the_header_is_read(tokens, scores, note, tensors):
    values = [
        ("tokenizer.ggml.tokens", build.ARRAY, (build.STRING, tokens)),
        ("tokenizer.ggml.scores", build.ARRAY, (build.F32, [0.0] * scores)),
        ("note", build.STRING, note),
    ]
    data = build.model(values, [("blk.%d.w" % index, (32, 2), 1) for index in range(tensors)]) + b"weights" * 1000
    stream = build.Counting(data)
    header = read_header(stream, len(data))
    assert stream.furthest == header.header_bytes <= header.data_start
    assert header.values["tokenizer.ggml.tokens"] == Counted(len(tokens))
    assert header.values["note"] == note
    assert len(header.tensors) == tensors


def test_a_large_vocabulary_is_read_in_few_pieces_and_not_kept():
    tokens = ["token %d" % number for number in range(100000)]
    data = build.model([("tokenizer.ggml.tokens", build.ARRAY, (build.STRING, tokens)), ("last", build.U32, 7)])
    stream = build.Counting(data)
    header = read_header(stream, len(data))
    assert stream.furthest == header.header_bytes
    assert header.values == {"general.architecture": "llama", "tokenizer.ggml.tokens": Counted(100000), "last": 7}
    assert stream.calls < 100


def test_one_text_larger_than_all_pieces():
    tokens = ["a", "b" * 1_000_000, "c"]
    data = build.model([("tokenizer.ggml.tokens", build.ARRAY, (build.STRING, tokens)), ("last", build.U32, 7)])
    stream = build.Counting(data)
    assert read_header(stream, len(data)).values["last"] == 7
    assert stream.furthest < len(data)


def test_alignment_moves_the_data():
    values = [("general.alignment", build.U32, 4096)]
    header = read(build.model(values, alignment=4096))
    assert header.data_start == 4096


def test_a_type_that_is_newer_than_the_table_is_as_large_as_its_room():
    tensors = [("a", (7,), 999, 0), ("b", (8,), 0, 96), ("c", (7,), 999, 128)]
    start = build.header([("general.architecture", build.STRING, "llama")], tensors)
    data = start + bytes(-len(start) % 32) + bytes(200)
    assert [tensor.bytes for tensor in read(data).tensors] == [96, 32, 72]


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "the file is empty"),
        (b"\x80\x04\x95\x00garbage", r"it begins with '\x80\x04\x95\x00' instead of GGUF"),
        (b"ab", "it begins with 'ab' instead of GGUF"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"\n <HTML lang=en>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git lfs pull"),
        (struct.pack("<Q", 100) + b'{"__metadata__":{}}', "a safetensors file"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(16), "GGUF version 1 is too old"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(16), "big endian"),
        (b"GGUF" + struct.pack("<I", 99) + bytes(16), "unknown GGUF version 99 (2 and 3 are known)"),
        (b"GGUF\x03", "it needs at least 24 bytes, the file has 5"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 1) + bytes(64), "the header is cut off or broken"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**40) + bytes(64), "the header is cut off or broken"),
    ],
)
def test_files_that_are_no_gguf(data, words):
    assert words in sentence(data)


@pytest.mark.parametrize(
    "values, words",
    [
        ([("a", build.U32, 1), ("a", build.U32, 1)], "the key a is there twice"),
        ([("general.alignment", build.U32, 24)], "general.alignment is 24, it must be a power of two"),
        ([("general.alignment", build.U32, 0)], "general.alignment is 0"),
        ([("general.alignment", build.STRING, "x")], "general.alignment is 'x'"),
    ],
)
def test_values_that_make_no_sense(values, words):
    assert words in sentence(build.model(values))


@pytest.mark.parametrize(
    "broken, words",
    [
        (build.text("k") + struct.pack("<I", 77), "the key k has the unknown type 77"),
        (
            build.text("k") + struct.pack("<IIQ", build.ARRAY, build.ARRAY, 1),
            "the key k is an array of the unknown type 9",
        ),
        (build.text("k") + struct.pack("<IIQ", build.ARRAY, build.U32, 2**50), "cut off or broken"),
        (build.text("k") + struct.pack("<IIQ", build.ARRAY, build.STRING, 2**50), "cut off or broken"),
        (build.text("k") + struct.pack("<IQ", build.STRING, 2**50), "a text of 1125899906842624 bytes"),
        (struct.pack("<Q", 2**20), "a text of 1048576 bytes at byte 24"),
    ],
)
def test_counts_that_cannot_be(broken, words):
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + broken + bytes(64)
    assert words in sentence(data)


def test_too_many_dimensions():
    data = build.header([("general.architecture", build.STRING, "llama")], [("t", (1,) * 9, 0, 0)]) + bytes(200)
    assert "the tensor t has 9 dimensions" in sentence(data)


def test_cut_off_data_says_how_many_bytes_are_missing():
    data = build.model()
    assert read(data)
    assert sentence(data[:-100]) == (
        "the file is cut off: 100 bytes are missing (%d of %d are there); copy or download it again"
        % (len(data) - 100, len(data))
    )


@given(st.data())
def test_a_file_cut_anywhere_is_refused_with_a_sentence(data):
    whole = build.model([("tokenizer.ggml.tokens", build.ARRAY, (build.STRING, ["a", "bc"] * 20))])
    length = data.draw(st.integers(0, len(whole) - 1))
    assert sentence(whole[:length])


@given(st.data())
def test_a_flipped_byte_never_surprises(data):
    whole = build.model(
        [
            ("tokenizer.ggml.tokens", build.ARRAY, (build.STRING, ["a", "bc"] * 5)),
            ("x", build.ARRAY, (build.U16, [1, 2])),
        ]
    )
    broken = bytearray(whole)
    broken[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(broken))
    except ModelError as error:
        assert error.sentence
