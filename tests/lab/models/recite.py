"""Writes GGUF models that recite known text, so that answers of real engines can be compared.

The weights make a chain: attention and feed-forward are zero, so that what leaves the last layer is the embedding of the last token;
that embedding is the code of the token that shall follow, and the output matrix holds the code of every word. Whatever the prompt is, a
chat is answered by the text, one word at a time, and ends. Feed-forward layers of zeros cost time without changing the answer: they make a model
slow (SLOW).

    python tests/lab/models/recite.py OUT [--text TEXT | --count N] [--loop] [--embedding] [--slow] [--context N]

prints the text that is recited.
"""

from __future__ import annotations

import argparse
import os
import subprocess

import gguf
import numpy

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
    vocabulary, recited, end = _vocabulary(words)
    embeddings, output = _chain(len(vocabulary), recited, recited[0] if loop else end, end)

    partial = "%s.partial" % path
    writer = gguf.GGUFWriter(partial, "llama")
    writer.add_name("modelfleet recital")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(len(vocabulary))
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(WIDTH // HEAD)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    if embedding:
        writer.add_pooling_type(gguf.PoolingType.MEAN)
    _add_tokenizer(writer, vocabulary)
    writer.add_tensor("token_embd.weight", embeddings)
    writer.add_tensor("output_norm.weight", numpy.ones(WIDTH, numpy.float32))
    writer.add_tensor("output.weight", output)
    for layer in range(layers):
        for name, tensor in _idle_layer(feed_forward).items():
            writer.add_tensor("blk.%d.%s.weight" % (layer, name), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    subprocess.run(["fallocate", "--dig-holes", partial], check=False)   # zeros need no disk; without it the file only takes more room
    os.replace(partial, path)
    return text


def _vocabulary(words):
    """([(token, score, type)], numbers of the words, number of the end token) of a sentencepiece-like vocabulary with all bytes."""
    kind = gguf.TokenType
    tokens = [("<unk>", 0.0, kind.UNKNOWN), ("<s>", 0.0, kind.CONTROL), ("</s>", 0.0, kind.CONTROL)]
    tokens += [("<0x%02X>" % byte, 0.0, kind.BYTE) for byte in range(256)]
    tokens += [(mark, 0.0, kind.CONTROL) for mark in MARKS]
    first = len(tokens)
    tokens += [(("\u2581" if place else "") + word, -1.0 - place, kind.NORMAL) for place, word in enumerate(words)]
    return tokens, list(range(first, len(tokens))), 2


def _chain(vocabulary_size, recited, after_last, end):
    """(embeddings, output), both [vocabulary, WIDTH]: each recited token leads to the next, every other token to the first.

    Codes are random signs. The code that is met wins over the most similar one by tens of logits (10 * sqrt(WIDTH) * (1 - 0.6), less what
    normalization takes), which no sampling temperature in use overcomes.
    """
    random = numpy.random.default_rng(7)
    half = WIDTH // 2
    follows = numpy.full(vocabulary_size, recited[0])
    follows[recited] = recited[1:] + [after_last]
    spoken = recited + [end]
    codes = random.choice([-1.0, 1.0], (len(spoken), half)).astype(numpy.float32)
    similarity = codes @ codes.T / half - numpy.eye(len(spoken))
    if similarity.max() > 0.6:
        raise ValueError("too many words (%d) for codes of %d signs" % (len(recited), half))
    code_of = dict(zip(spoken, codes))
    embeddings = numpy.zeros((vocabulary_size, WIDTH), numpy.float16)
    embeddings[:, :half] = [code_of[token] for token in follows]
    embeddings[:, half:] = random.normal(0, 0.3, (vocabulary_size, half))
    output = numpy.zeros((vocabulary_size, WIDTH), numpy.float16)
    output[spoken, :half] = codes * 10 / half ** 0.5
    return embeddings, output


def _add_tokenizer(writer, vocabulary):
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _, _ in vocabulary])
    writer.add_token_scores([score for _, score, _ in vocabulary])
    writer.add_token_types([kind for _, _, kind in vocabulary])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def _idle_layer(feed_forward):
    """{name: tensor} of a layer that adds nothing to what passes through it."""
    shapes = {
        "attn_q": (WIDTH, WIDTH), "attn_k": (HEAD, WIDTH), "attn_v": (HEAD, WIDTH), "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (feed_forward, WIDTH), "ffn_up": (feed_forward, WIDTH), "ffn_down": (WIDTH, feed_forward),
    }   # fmt: skip
    tensors = {name: numpy.zeros(shape, numpy.float16) for name, shape in shapes.items()}
    tensors.update((name, numpy.ones(WIDTH, numpy.float32)) for name in ("attn_norm", "ffn_norm"))
    return tensors


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
