"""The header of one safetensors file: read exactly, and no byte further."""

import json
import struct

import gguf_bytes
import pytest
import safetensors_bytes as build
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.errors import ModelError
from ansible_collections.modelfleet.serving.plugins.module_utils.common.models.safetensors.header import read_header
from hypothesis import given
from hypothesis import strategies as st


def read(data):
    return read_header(gguf_bytes.Counting(data), len(data))


def sentence(data):
    with pytest.raises(ModelError) as caught:
        read(data)
    return caught.value.sentence


def one(**fields):
    """The bytes of a file whose only tensor has other ``fields`` in the header."""
    return build.packed({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **fields}}, 8)


def test_names_types_and_sizes():
    data = build.file({"a": ("F32", [2, 3]), "b": ("F8_E4M3", [5]), "c": ("BF16", [])})
    header = read(data)
    assert header.tensors == [("a", "F32", (2, 3), 24), ("b", "F8_E4M3", (5,), 5), ("c", "BF16", (), 2)]
    assert header.file_bytes == len(data)
    assert header.header_bytes == len(data) - 31


@given(names=st.lists(st.text(max_size=40).filter("__metadata__".__ne__), unique=True, max_size=60), spaces=st.integers(0, 7))
def test_no_byte_beyond_the_header_is_read(names, spaces):
    header, size = build.entries({name: ("BF16", [3]) for name in names})
    data = build.packed(json.dumps(header).encode() + b" " * spaces, size)
    stream = gguf_bytes.Counting(data)
    found = read_header(stream, len(data))
    assert stream.furthest == found.header_bytes == len(data) - size
    assert [tensor.name for tensor in found.tensors] == names


def test_a_large_header_is_read_whole_and_no_further():
    tensors = {"model.layers.%d.mlp.experts.%d.weight" % (layer, expert): ("BF16", [4]) for layer in range(90) for expert in range(100)}
    data = build.file(tensors)
    stream = gguf_bytes.Counting(data)
    assert len(read_header(stream, len(data)).tensors) == 9000
    assert stream.furthest == len(data) - 9000 * 8


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "the file is empty"),
        (b"abc", "not a safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
        (b"GGUF\x03\x00\x00\x00" + bytes(60), "a GGUF file with another name"),
        (struct.pack("<Q", 2**63) + b"{}", "its header would have 9223372036854775808 bytes"),
        (struct.pack("<Q", 100_000_001) + b"{}", "its header would have 100000001 bytes"),
        (struct.pack("<Q", 0) + bytes(60), "its header would have 0 bytes"),
        (struct.pack("<Q", 100) + b'{"a":', "the header is cut off or broken: it needs at least 108 bytes, the file has 13"),
        (build.packed(b"{]", 0), "the header is broken: it is no JSON"),
        (build.packed(b"\xff\xfe", 0), "the header is broken: it is no JSON"),
        (build.packed(b"[" * 100_000, 0), "the header is broken: it is no JSON"),
        (build.packed([], 0), "the header is broken: it is no JSON object"),
        (one(dtype=3), "its entry for the tensor w makes no sense"),
        (one(shape="2"), "its entry for the tensor w makes no sense"),
        (one(shape=[-2]), "its entry for the tensor w makes no sense"),
        (one(data_offsets=[8, 0]), "its entry for the tensor w makes no sense"),
        (one(data_offsets=[0]), "its entry for the tensor w makes no sense"),
        (build.packed({"w": 1}, 0), "its entry for the tensor w makes no sense"),
    ],
)
def test_files_that_are_no_safetensors(data, words):
    assert words in sentence(data)


def test_an_absurd_length_is_not_read():
    data = struct.pack("<Q", 90_000_000) + b"{" + bytes(1000)
    stream = gguf_bytes.Counting(data)
    with pytest.raises(ModelError):
        read_header(stream, len(data))
    assert stream.furthest <= 64


def test_cut_off_and_lengthened_files():
    data = build.file()
    assert sentence(data[:-100]) == (
        "the file is cut off: 100 bytes are missing (%d of %d are there); copy or download it again" % (len(data) - 100, len(data))
    )
    assert "it is 3 bytes longer than its header says" in sentence(data + b"abc")


@given(st.data())
def test_a_file_cut_anywhere_is_refused_with_a_sentence(data):
    whole = build.file()
    assert sentence(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.data())
def test_a_flipped_byte_never_surprises(data):
    whole = bytearray(build.file({"a": ("BF16", [2])}))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(whole))
    except ModelError as error:
        assert error.sentence
