"""Writes GGUF models that recite known text: real models for real engines, in a fraction of a second and less than a megabyte.

The weights make a chain: attention and feed-forward are zero, so that what leaves the last layer is the embedding of the last token;
that embedding is the code of the token that shall follow, and the output matrix holds the code of every word. Whatever the prompt is, a
chat is answered by the text, one word at a time, and ends. Feed-forward layers of zeros cost time without changing the answer: they make a model
slow (SLOW).

    python3 -m demo.recite OUT [--text TEXT | --count N] [--loop] [--embedding] [--slow] [--context N]

prints the text that is recited.
"""

from __future__ import annotations

import argparse
import random
import struct

from .gguf_writer import F16, F32, write

SENTENCE = (
    "Hello from a tiny generated model which always recites this one sentence, streamed word by token, "
    "so that people can watch each replica answer."
)
FAST = {"layers": 1, "feed_forward": 64}
SLOW = {"layers": 4, "feed_forward": 32768}
"""200 MB of zeros, almost nothing on disk: about 120 words a second of one core, shared by all requests (measured: tests/lab/README.md)."""
LONG = 450
"""Words of a stream that takes over 20 seconds on a busy machine."""

WIDTH = 256
"""Embedding length: the first half holds the code of the next token, the second half tells tokens apart in embeddings."""
HEAD = 32
"""Length of an attention head: a multiple of 32, so that quantized KV caches work."""
MARKS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
END = 2
"""The number of the token that ends an answer."""

_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
"""Types of tokens in GGUF."""
_MOSTLY_F16 = 1
_MEAN_POOLING = 1


def counting(count):
    """A text of ``count`` different words in which every missing one is seen: ``1, 2, 3, ... count.``"""
    return ", ".join(str(number) for number in range(1, count + 1)) + "."


def write_model(path, text=SENTENCE, loop=False, embedding=False, layers=1, feed_forward=64, context=8192):
    """Writes a model that recites ``text`` (words divided by single spaces, none twice) and returns ``text``.

    ``loop``: begins anew after the last word, for ever. ``embedding``: has a pooling type, so that engines offer embeddings too.
    ``context``: tokens, as told in the header. Raises ValueError when a word occurs twice.
    """
    words = text.split(" ")
    if len(set(words)) != len(words) or "" in words:
        raise ValueError("the text must be different words divided by single spaces")
    vocabulary, recited = _vocabulary(words)
    embeddings, output = _chain(len(vocabulary), recited, recited[0] if loop else END)
    metadata = [
        ("general.architecture", "str", "llama"),
        ("general.name", "str", "modelfleet recital"),
        ("general.file_type", "u32", _MOSTLY_F16),
        ("llama.vocab_size", "u32", len(vocabulary)),
        ("llama.context_length", "u32", context),
        ("llama.embedding_length", "u32", WIDTH),
        ("llama.block_count", "u32", layers),
        ("llama.feed_forward_length", "u32", feed_forward),
        ("llama.attention.head_count", "u32", WIDTH // HEAD),
        ("llama.attention.head_count_kv", "u32", 1),
        ("llama.rope.dimension_count", "u32", HEAD),
        ("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5),
        *([("llama.pooling_type", "u32", _MEAN_POOLING)] if embedding else []),
        *_tokenizer(vocabulary),
    ]
    tensors = [
        ("token_embd.weight", (len(vocabulary), WIDTH), F16, embeddings),
        ("output_norm.weight", (WIDTH,), F32, _ones(WIDTH)),
        ("output.weight", (len(vocabulary), WIDTH), F16, output),
    ]
    for layer in range(layers):
        tensors += _idle_layer("blk.%d." % layer, feed_forward)
    write(path, metadata, tensors)
    return text


def _vocabulary(words):
    """([(token, score, type)], numbers of the words) of a sentencepiece-like vocabulary with all bytes."""
    tokens = [("<unk>", 0.0, _UNKNOWN), ("<s>", 0.0, _CONTROL), ("</s>", 0.0, _CONTROL)]
    tokens += [("<0x%02X>" % byte, 0.0, _BYTE) for byte in range(256)]
    tokens += [(mark, 0.0, _CONTROL) for mark in MARKS]
    first = len(tokens)
    tokens += [(("\u2581" if place else "") + word, -1.0 - place, _NORMAL) for place, word in enumerate(words)]
    return tokens, list(range(first, len(tokens)))


def _chain(vocabulary_size, recited, after_last):
    """(embeddings, output), both [vocabulary, WIDTH] as bytes: each recited token leads to the next, every other token to the first.

    Codes are random signs. The code that is met wins over the most similar one by tens of logits (10 * sqrt(WIDTH) * (1 - 0.6), less what
    normalization takes), which no sampling temperature in use overcomes.
    """
    chance = random.Random(7)
    half = WIDTH // 2
    follows = dict(zip(recited, recited[1:] + [after_last]))
    code_of = {token: chance.getrandbits(half) for token in [*recited, END]}
    codes = list(code_of.values())
    # Two codes that differ in n of their signs have a similarity of 1 - 2n / half; more than 0.6 is too much.
    if any(bin(one ^ other).count("1") < 0.2 * half for place, one in enumerate(codes) for other in codes[:place]):
        raise ValueError("too many words (%d) for codes of %d signs" % (len(recited), half))
    signs = {token: [1.0 if code >> place & 1 else -1.0 for place in range(half)] for token, code in code_of.items()}
    loud = 10 / half**0.5
    embeddings, output = [], []
    for token in range(vocabulary_size):
        embeddings.append(_f16(signs[follows.get(token, recited[0])] + [chance.gauss(0, 0.3) for _place in range(half)]))
        output.append(_f16([sign * loud for sign in signs[token]] + [0.0] * half) if token in signs else bytes(2 * WIDTH))
    return b"".join(embeddings), b"".join(output)


def _tokenizer(vocabulary):
    return [
        ("tokenizer.ggml.model", "str", "llama"),
        ("tokenizer.ggml.tokens", ["str"], [token for token, _score, _kind in vocabulary]),
        ("tokenizer.ggml.scores", ["f32"], [score for _token, score, _kind in vocabulary]),
        ("tokenizer.ggml.token_type", ["i32"], [kind for _token, _score, kind in vocabulary]),
        ("tokenizer.ggml.unknown_token_id", "u32", 0),
        ("tokenizer.ggml.bos_token_id", "u32", 1),
        ("tokenizer.ggml.eos_token_id", "u32", END),
        ("tokenizer.ggml.add_bos_token", "bool", True),
        ("tokenizer.ggml.add_space_prefix", "bool", False),
        ("tokenizer.chat_template", "str", TEMPLATE),
    ]


def _idle_layer(prefix, feed_forward):
    """The tensors of a layer that adds nothing to what passes through it."""
    shapes = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (HEAD, WIDTH), "attn_v": (HEAD, WIDTH), "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (feed_forward, WIDTH), "ffn_up": (feed_forward, WIDTH), "ffn_down": (WIDTH, feed_forward),
    }   # fmt: skip
    tensors = [("%s%s.weight" % (prefix, name), shape, F16, None) for name, shape in shapes.items()]
    return tensors + [("%s%s.weight" % (prefix, name), (WIDTH,), F32, _ones(WIDTH)) for name in ("attn_norm", "ffn_norm")]


def _ones(count):
    return struct.pack("<%df" % count, *[1.0] * count)


def _f16(numbers):
    return struct.pack("<%de" % len(numbers), *numbers)


def main():
    parser = argparse.ArgumentParser(description="Write a GGUF model that recites a text.")
    parser.add_argument("path")
    texts = parser.add_mutually_exclusive_group()
    texts.add_argument("--text", default=SENTENCE, help="different words divided by single spaces")
    texts.add_argument("--count", type=int, metavar="N", help="recite the numbers 1 to N")
    parser.add_argument("--loop", action="store_true", help="never end")
    parser.add_argument("--embedding", action="store_true", help="offer embeddings too")
    parser.add_argument("--slow", action="store_true", help="take longer for each word")
    parser.add_argument("--context", type=int, default=8192, help="tokens")
    given = parser.parse_args()
    text = counting(given.count) if given.count else given.text
    speed = SLOW if given.slow else FAST
    print(write_model(given.path, text, given.loop, given.embedding, context=given.context, **speed))


if __name__ == "__main__":
    main()
