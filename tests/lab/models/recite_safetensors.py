"""Writes models that recite known text as directories of safetensors, as vLLM takes them: recite.py with other files.

The weights make the same chain (see recite.py): what leaves the last layer is the embedding of the last token, which is the code of the
token that shall follow. Feed-forward layers of zeros cost time without changing the answer: they make a model slow (SLOW).

    python -m tests.lab.models.recite_safetensors OUT [--text TEXT | --count N] [--loop] [--embedding] [--slow] [--sharded] [--context N]

prints the text that is recited.
"""

from __future__ import annotations

import argparse
import json
import os

import numpy

from .recite import END, HEAD, MARKS, SENTENCE, TEMPLATE, WIDTH, counting

FAST = {"layers": 1, "feed_forward": 64}
SLOW = {"layers": 4, "feed_forward": 32768}
"""200 MB of zeros, almost nothing on disk: 75 words a second on two idle cores, 35 to 50 on busy ones (vLLM 0.32 on CPU, --enforce-eager)."""
LONG = 2000
"""Words of a slow stream that takes over 20 seconds."""


def write_model(path, text=SENTENCE, loop=False, embedding=False, layers=1, feed_forward=64, context=8192, sharded=False):
    """Writes a directory with a model that recites ``text`` (words divided by single spaces, none twice) and returns ``text``.

    ``loop``: begins anew after the last word, for ever. ``embedding``: is a model for embeddings (mean pooling) and recites nothing.
    ``context``: tokens, as told in config.json. ``sharded``: two parts with an index. Raises ValueError when a word occurs twice.
    """
    words = text.split(" ")
    if len(set(words)) != len(words) or "" in words:
        raise ValueError("the text must be different words divided by single spaces")
    vocabulary = ["<unk>", "<s>", "</s>", *MARKS]
    special = len(vocabulary)
    vocabulary += ["<0x%02X>" % byte for byte in range(256)]
    recited = list(range(len(vocabulary), len(vocabulary) + len(words)))
    vocabulary += [("\u2581" if place else "") + word for place, word in enumerate(words)]
    tensors = _tensors(len(vocabulary), recited, recited[0] if loop else END, layers, feed_forward, embedding)

    os.makedirs(path, exist_ok=True)
    if sharded:
        _write_shards(path, tensors)
    else:
        _write_safetensors(os.path.join(path, "model.safetensors"), tensors)
    documents = {
        "config.json": _config(len(vocabulary), layers, feed_forward, context, embedding),
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": END},
        "tokenizer.json": _tokenizer(vocabulary, special),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>",
            "clean_up_tokenization_spaces": False, "model_max_length": context, "chat_template": TEMPLATE,
        },
        "special_tokens_map.json": {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    }  # fmt: skip
    if embedding:
        os.makedirs(os.path.join(path, "1_Pooling"), exist_ok=True)
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        documents["modules.json"] = [
            {"idx": number, "name": str(number), "path": where, "type": "sentence_transformers.models.%s" % kind}
            for number, (where, kind) in enumerate(modules)
        ]
        documents["1_Pooling/config.json"] = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}
    for name, document in documents.items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
    return text


def _tensors(vocabulary_size, recited, after_last, layers, feed_forward, embedding):
    """[(name, shape, numbers or None for zeros)]. A model for embeddings has no output head, and its names no prefix."""
    embeddings, output = _chain(vocabulary_size, recited, after_last)
    prefix = "" if embedding else "model."
    tensors = [(prefix + "embed_tokens.weight", embeddings.shape, embeddings)]
    for layer in range(layers):
        shapes = {
            "self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (HEAD, WIDTH), "self_attn.v_proj": (HEAD, WIDTH),
            "self_attn.o_proj": (WIDTH, WIDTH), "mlp.gate_proj": (feed_forward, WIDTH), "mlp.up_proj": (feed_forward, WIDTH),
            "mlp.down_proj": (WIDTH, feed_forward),
        }  # fmt: skip
        tensors += [("%slayers.%d.%s.weight" % (prefix, layer, name), shape, None) for name, shape in shapes.items()]
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors.append(("%slayers.%d.%s.weight" % (prefix, layer, name), (WIDTH,), numpy.ones(WIDTH)))
    tensors.append((prefix + "norm.weight", (WIDTH,), numpy.ones(WIDTH)))
    return tensors if embedding else [*tensors, ("lm_head.weight", output.shape, output)]


def _chain(vocabulary_size, recited, after_last):
    """(embeddings, output), both [vocabulary, WIDTH]: each recited token leads to the next, every other token to the first.

    The first half of an embedding is the code (random signs) of the token that follows, the second half tells tokens apart.
    """
    random = numpy.random.default_rng(7)
    half = WIDTH // 2
    follows = numpy.full(vocabulary_size, recited[0])
    follows[recited] = recited[1:] + [after_last]
    spoken = [*recited, END]
    codes = numpy.zeros((vocabulary_size, half))
    codes[spoken] = random.choice([-1.0, 1.0], (len(spoken), half))
    similarity = codes[spoken] @ codes[spoken].T / half - numpy.eye(len(spoken))
    if similarity.max() > 0.6:
        raise ValueError("too many words (%d) for codes of %d signs" % (len(recited), half))
    embeddings = numpy.hstack([codes[follows], random.normal(0, 0.3, (vocabulary_size, half))])
    return embeddings, numpy.hstack([codes * 10 / half**0.5, numpy.zeros((vocabulary_size, half))])


def _config(vocabulary_size, layers, feed_forward, context, embedding):
    return {
        "architectures": ["LlamaModel" if embedding else "LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": vocabulary_size,
        "hidden_size": WIDTH,
        "intermediate_size": feed_forward,
        "num_hidden_layers": layers,
        "num_attention_heads": WIDTH // HEAD,
        "num_key_value_heads": 1,
        "head_dim": HEAD,
        "hidden_act": "silu",
        "max_position_embeddings": context,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": END,
    }


def _tokenizer(vocabulary, special):
    """tokenizer.json: texts become bytes, the words of the text are only ever spoken. The first ``special`` tokens are no text."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": token, **flags} for number, token in enumerate(vocabulary[:special])],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": True, "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(vocabulary)}, "merges": [],
        },
    }  # fmt: skip


def _write_shards(path, tensors):
    half = len(tensors) // 2
    placed = {}
    for number, part in enumerate((tensors[:half], tensors[half:]), 1):
        name = "model-%05d-of-00002.safetensors" % number
        _write_safetensors(os.path.join(path, name), part)
        placed.update((tensor, name) for tensor, _, _ in part)
    total = sum(2 * int(numpy.prod(shape)) for _, shape, _ in tensors)
    with open(os.path.join(path, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": placed}, file, indent=1)


def _write_safetensors(path, tensors):
    """All numbers as bfloat16. Zeros are holes in the file, which need no disk."""
    entries, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, _ in tensors:
        start, end = end, end + 2 * int(numpy.prod(shape))
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [start, end]}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, _, numbers in tensors:
            if numbers is not None:
                file.seek(8 + len(header) + entries[name]["data_offsets"][0])
                file.write(_bfloat16(numbers))
        file.truncate(8 + len(header) + end)


def _bfloat16(numbers):
    """The upper halves of 32-bit floats, rounded."""
    return ((numpy.asarray(numbers, "<f4").view("<u4") + 0x8000) >> 16).astype("<u2").tobytes()


def main():
    parser = argparse.ArgumentParser(description="Write a directory of safetensors that recites a text.")
    parser.add_argument("path")
    texts = parser.add_mutually_exclusive_group()
    texts.add_argument("--text", default=SENTENCE, help="different words divided by single spaces")
    texts.add_argument("--count", type=int, metavar="N", help="recite the numbers 1 to N")
    parser.add_argument("--loop", action="store_true", help="never end")
    parser.add_argument("--embedding", action="store_true", help="a model for embeddings, which recites nothing")
    parser.add_argument("--slow", action="store_true", help="take longer for each word")
    parser.add_argument("--sharded", action="store_true", help="two parts with an index")
    parser.add_argument("--context", type=int, default=8192, help="tokens")
    given = parser.parse_args()
    text = counting(given.count) if given.count else given.text
    speed = SLOW if given.slow else FAST
    print(write_model(given.path, text, given.loop, given.embedding, context=given.context, sharded=given.sharded, **speed))


if __name__ == "__main__":
    main()
