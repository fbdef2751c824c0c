"""Makes bert_words.json and reference/embeddings.json: what other programs make of texts for BERT.

Usage: python3 make_bert.py MODEL_FOLDER     (the PyPI packages tokenizers and numpy; `make embedding-model` brings the folder)

bert_words.json: words of seeded multilingual text by the library `tokenizers`, under several normalizations.
reference/embeddings.json: tokens of the model's own tokenizer, and vectors by a forward pass in double precision that
shares nothing with Apus: base64 of little-endian float32.
"""

import base64
import json
import math
import pathlib
import random
import struct
import sys

import numpy as np
from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

HERE = pathlib.Path(__file__).parent
SENTENCES = [
    "", " ", "a", "Hello, World!", "The swift is a bird that spends most of its life in the air.", "don't stop-me now...",
    "Größe, Ærøskøbing, señor, l'été d'Œuvre's ſtraße", "Привет, мир! Как дела? Ёлка №5 йод", "你好,世界!今天天气怎么样?123个",
    "日本語のテキスト、カタカナとひらがな。がぎぐ", "한국어 문장입니다. 테스트!", "مرحبا بالعالم ١٢٣ مُحَمَّد", "שָׁלוֹם עולם 'תודה'",
    "हिन्दी में नमस्ते १२३", "ภาษาไทยไม่มีช่องว่าง", "emoji 🌍🚀👩‍👩‍👧‍👦 flags 🇩🇪🇫🇷 e\u0301 combining",
    "a\u00a0b\u2003c\u3000d\u2028e\u0085f \u00a0 g", "zero\u200bwidth\ufeffmarks\u200d soft\u00adhyphen",
    "\x00\x01\x1c\x1f\x7f control \x0b\x0c tabs\tand\r\nlines", "ΑΒΓ ΟΔΟΣ σς İstanbul ISPARTA ıI ǅ ﬁ ﬃ",
    "$5+<6=>7^8~9|0`1` {x}[y](z) @user #tag 50% a_b a/b\\c", "“quotes” ‘single’ «guillemets» — dash – en … ¿qué? ¡sí! · 、。",
    "[CLS] spelled [SEP] out [MASK] [UNK] [PAD] [unused1]", "x" * 99 + " " + "y" * 100 + " " + "z" * 101,
    "Pneumonoultramicroscopicsilicovolcanoconiosis", "∑√≤€£¥©™ ½Ⅷ٣④² ℝ", "\u0344\u0958\u1e9b\u0323 \u212b\u2126 \uac01",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𪜀 \U0002b740\U0002b820\U0002b920 \U0001f1e6", "\ufffd replaced \ufffe private \ue000 end",
]
POOLS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "     ", "\n\r\t \u00a0\u3000\u000b\u0085", "'\"-_.,;:!?()[]{}",
    "äöüßéñçøåœæſıİÀÉÎÕÜ", "абвгдеёжйАБЁЙ", "中文字漢日本語あカが", "한국어각", "ابتةجَُّ", "हिन्दीनम", "½Ⅷ٣④²", "🌍🚀😀\u200d\ufe0f",
    "e\u0301\u0308\u0323\u200b\u00ad", "∑√≤€£¥©™", "ΑΒΓΣσςάΐ", "שָׁלוֹם", "\u2013\u2014\u2018\u201d\u2026\u3001\u00bf\u00ab",
]
# clean_text, handle_chinese_chars, strip_accents, lowercase
OPTIONS = [(True, True, True, True), (True, True, False, False), (False, False, True, False), (True, False, False, True)]


def fuzzed(count, seed):
    chance = random.Random(seed)
    for _ in range(count):
        yield "".join(
            "".join(chance.choice(chance.choice(POOLS)) for _ in range(chance.randint(1, 4)))
            for _ in range(chance.randint(1, 24)))


def words(text, options):
    clean, ideographs, accents, lower = options
    normalizer = BertNormalizer(
        clean_text=clean, handle_chinese_chars=ideographs, strip_accents=accents, lowercase=lower)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))]


class Forward:
    """all-MiniLM-L6-v2 as the papers write it."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        with open(folder / "model.safetensors", "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            data = file.read()
        self.tensors = {}
        for name, entry in header.items():
            if entry.get("dtype") == "F32":
                start, end = entry["data_offsets"]
                self.tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"]).astype(np.float64)

    def linear(self, x, name):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def norm(self, x, name):
        away = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((away**2).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return away / scale * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    def vector(self, ids):
        heads, erf = self.config["num_attention_heads"], np.vectorize(math.erf)
        x = self.tensors["embeddings.word_embeddings.weight"][ids]
        x = x + self.tensors["embeddings.token_type_embeddings.weight"][0]
        x = self.norm(x + self.tensors["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")
        for layer in range(self.config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}."
            q, k, v = (
                self.linear(x, name + "attention.self." + part).reshape(len(ids), heads, -1).transpose(1, 0, 2)
                for part in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            attended = (weights / weights.sum(-1, keepdims=True)) @ v
            attended = self.linear(attended.transpose(1, 0, 2).reshape(len(ids), -1), name + "attention.output.dense")
            x = self.norm(attended + x, name + "attention.output.LayerNorm")
            hidden = self.linear(x, name + "intermediate.dense")
            hidden = hidden * (1 + erf(hidden / math.sqrt(2))) / 2
            x = self.norm(self.linear(hidden, name + "output.dense") + x, name + "output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def main():
    folder = pathlib.Path(sys.argv[1])
    texts = SENTENCES + list(fuzzed(400, 1))
    with open(HERE / "bert_words.json", "w") as file:
        cases = [
            {"text": text, "options": list(options), "words": words(text, options)}
            for number, text in enumerate(texts)
            for options in (OPTIONS if number < len(SENTENCES) else OPTIONS[:1])]
        json.dump(cases, file)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    forward = Forward(folder)
    entries = []
    for number, text in enumerate(SENTENCES + list(fuzzed(400, 2))):
        ids = tokenizer.encode(text).ids
        entry = {"text": text, "ids": ids}
        if number < 20 and len(ids) <= 256:
            entry["vector"] = base64.b64encode(forward.vector(ids).astype("<f4").tobytes()).decode()
        entries.append(entry)
    long = "The quick brown fox jumps over the lazy dog near the river bank. " * 17
    ids = tokenizer.encode(long).ids
    assert 200 < len(ids) <= 256
    vector = base64.b64encode(forward.vector(ids).astype("<f4").tobytes()).decode()
    entries.append({"text": long, "ids": ids, "vector": vector})
    with open(HERE / "reference/embeddings.json", "w") as file:
        json.dump(entries, file)


if __name__ == "__main__":
    main()
