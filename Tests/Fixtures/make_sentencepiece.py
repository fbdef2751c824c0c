"""Makes sentencepiece.json: small SentencePiece BPE models, and what the library itself encodes and decodes with them.

Usage: python3 make_sentencepiece.py > sentencepiece.json        (the PyPI package sentencepiece)
"""

import io
import json
import random
import sys

import sentencepiece

CORPUS = [
    "The quick brown fox jumps over the lazy dog.", "She sells sea shells by the sea shore.",
    "How much wood would a woodchuck chuck if a woodchuck could chuck wood?", "Größe und Maße sind übersichtlich.",
    "Der Fluß fließt über die Straße.", "the theory of the thing is that there they then thought",
    "one two three four five six seven eight nine ten 12 123 1234", "наша маша ела кашу", "print('hello world')  # comment",
    "aaaa aaaaaaaa aaaaaaaaaaaaaaaa", "a  b   c    d",
]
TEXTS = [
    "The fox", " the fox ", "", " ", "  ", "the  theory\n", "hello world", "Straße", "日本", "🌍 earth", "x\ty\r\nz", "maß 12 1234567",
    "ela кашу ъ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "woodchuckwoodchuck", "<sep>", "a<sep>b <sep> c", "the<sep>the", "\u2581x", "é", "e\u0301",
    "it's (fine), isn't it?", "\u00a0nbsp", "ÀÉÎ", "日日日", "q日z",
]
KINDS = {"normal": 1, "unknown": 2, "control": 3, "user": 4, "unused": 5, "byte": 6}


def model(byte_fallback, prefix):
    output = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_writer=output, model_type="bpe", vocab_size=560 if byte_fallback else 300,
        byte_fallback=byte_fallback, character_coverage=1.0, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=prefix, user_defined_symbols=["<sep>"], minloglevel=2,
        hard_vocab_limit=False, num_threads=1,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=output.getvalue())


def kind(processor, token):
    if processor.is_unknown(token):
        return KINDS["unknown"]
    if processor.is_control(token):
        return KINDS["control"]
    if processor.is_byte(token):
        return KINDS["byte"]
    if processor.id_to_piece(token) == "<sep>":
        return KINDS["user"]
    return KINDS["unused"] if processor.is_unused(token) else KINDS["normal"]


def main():
    chance = random.Random(7)
    letters = "".join(CORPUS)
    texts = TEXTS + ["".join(chance.choice(letters) for _ in range(chance.randint(1, 30))) for _ in range(60)]
    models = []
    for byte_fallback, prefix in [(True, True), (True, False), (False, True)]:
        processor = model(byte_fallback, prefix)
        tokens = range(processor.get_piece_size())
        rows = []
        for text in texts:
            ids = processor.encode(text)
            rows.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
        models.append(
            {
                "adds_space_prefix": prefix,
                "tokens": [processor.id_to_piece(token) for token in tokens],
                "scores": [processor.get_score(token) for token in tokens],
                "kinds": [kind(processor, token) for token in tokens],
                "rows": rows,
            }
        )
    json.dump(models, sys.stdout, ensure_ascii=False, separators=(",", ":"))


main()
