"""Makes words.json: how the published pre-tokenizer expressions cut seeded multilingual text.

Usage: python3 make_words.py > words.json        (the PyPI package regex)
"""

import json
import random
import sys

import regex

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
UPPER, LOWER, SUFFIX = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SUFFIX}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SUFFIX}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Each list is applied in turn to what the one before left.
PATTERNS = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [LLAMA3.replace("{1,3}", "")],
    "gpt-4o": [GPT4O],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}

SENTENCES = [
    "The quick brown fox doesn't jump; it's LAZY, we'LL say. I'M sure they'd've gone!",
    "  leading,  double   and trailing spaces   ", "line\nbreaks\r\nand\r\rtabs\t\tmixed \n \n  x\n",
    "def f(x):\n    return x**2 + 3.14159e-10  # naïve\n\n\n\treturn\n", "1234567890 12 1,000,000.50 1st 2nd ½ Ⅷ ٣٤٥٦ ₂³ 1२3",
    "Größe, Ærøskøbing, señor, l'été d'Œuvre's ſ'S 'ſ x'ſy", "Привет, мир! Как дела? Ёлка №5", "你好,世界!今天天气怎么样?123个",
    "日本語のテキスト、カタカナとひらがな。", "한국어 문장입니다. 테스트!", "مرحبا بالعالم ١٢٣", "שלום עולם 'תודה'", "हिन्दी में नमस्ते १२३", "ภาษาไทยไม่มีช่องว่าง",
    "emoji 🌍🚀👩‍👩‍👧‍👦 flags 🇩🇪🇫🇷 e\u0301 combining", "a\u00a0b\u2003c\u3000d\u2028e\u0085f \u00a0 g", "zero\u200bwidth\ufeffmarks\u200d",
    "<|im_start|>user\n{\"a\": [1, 2.5, null]}<|im_end|>", "http://x.y/z?q=1&r=2#s user@mail.org C:\\dir\\file.txt", "'s't're've'm'll'd 'S'T'RE'VE'M'LL'D ''s '''",
    "x'sy x' s x'", "$5+<6=>7^8~9|0`1`", "___a_b__ --c-- ...d... \"e\"", "A.B.C. U.S.A's", "", " ", "  ", "\n", " \n", "\n ", "\r\n\r\n", "\t", "a", " a", "a ", "é", "1", " 1",
    " 123456", "12345", "1234", "  12", "99 bottles99", "\x00\x01\x1c\x1f control",
]
POOLS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "     ", "\n\r\t \u00a0\u3000\u000b", "'''stremdlv", ".,;:!?-_()[]{}\"'`$+<=>^~|#%&*/\\@",
    "äöüßéñçøåœæſıİ", "абвгдеёжАБ", "中文字漢日本語あカ", "한국어", "ابتةج", "हिन्दीनम", "½Ⅷ٣४③²", "🌍🚀😀\u200d\ufe0f", "e\u0301\u0308\u200b", "∑√≤€£¥©™",
]


def split(patterns, text):
    pieces = [text]
    for pattern in patterns:
        cut = []
        for piece in pieces:
            at = 0
            for match in regex.finditer(pattern, piece):
                cut += [piece[at : match.start()], match.group()]
                at = match.end()
            cut.append(piece[at:])
        pieces = [piece for piece in cut if piece]
    return pieces


def main():
    chance = random.Random(20240607)
    texts = list(SENTENCES)
    for _ in range(220):
        text = ""
        while len(text) < chance.randint(4, 40):
            text += "".join(chance.choice(chance.choice(POOLS[chance.randint(0, 8):])) for _ in range(chance.randint(1, 2)))
            if chance.random() < 0.5:
                pool = chance.choice(POOLS)
                text += "".join(chance.choice(pool) for _ in range(chance.randint(1, 5)))
        texts.append(text)
    rows = [
        {"text": text, "lengths": {name: [len(piece.encode()) for piece in split(patterns, text)] for name, patterns in PATTERNS.items()}}
        for text in texts
    ]
    json.dump(rows, sys.stdout, ensure_ascii=False, separators=(",", ":"))


main()
