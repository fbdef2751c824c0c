"""Makes tokenizers.json: small tokenizers of every kind that Apus reads from tokenizer.json, and what the library
`tokenizers` makes of texts with them.

Usage: python3 make_tokenizers.py > tokenizers.json        (the PyPI packages tokenizers 0.23.3 and numpy)

Kinds share models: "base" names one, "changes" is the rest of the file.
"""

import copy
import json

from make_bert import SENTENCES, fuzzed
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

CORPUS = [
    "The quick brown fox jumps over the lazy dog.", "The swift is a bird that spends most of its life in the air.",
    "How much wood would a woodchuck chuck if a woodchuck could chuck wood?", "Größe und Maße sind übersichtlich.",
    "the theory of the thing is that there they then thought", "one two three 12 123 1234 2024", "наша маша ела кашу",
    "print('hello world')  # comment\n\n\treturn x\n", "aaaa aaaaaaaa aaaaaaaaaaaaaaaa", "你好,世界!今天天气怎么样? 日本語", "I'm you're they'll HELLO World",
    "caf\u00e9 se\u00f1or", "   deep    spaces\n\n\n",
]
SPELLED = [
    "<s>", "</s> a", "a<s>b", "<|user|>\nHi<|end|>\n<|assistant|>", "<|end|> \u3000\t x", "a <|end|>  b", "<tool> x <tool>y", "<|end|><|end|> z",
    "x<|user|> <tool>  <|user|>", "\u2581a \u2581 b\u2581", " \u2581 ", "swifts swifts", "e\u0301 caf\u00e9 cafe\u0301 \u212b \u1e9b\u0323 \uac00 \u1100\u1161",
    "<|end|>\u00a0x", "<|user|>", " <s> a", "<tool>",
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPACE = "\u2581"


def trained(byte_level):
    tokenizer = Tokenizer(models.BPE(byte_fallback=not byte_level, fuse_unk=not byte_level, unk_token=None if byte_level else "<unk>"))
    if byte_level:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet, first = pre_tokenizers.ByteLevel.alphabet(), []
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
        alphabet, first = [], ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=430 if byte_level else 520, initial_alphabet=sorted(alphabet), special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 2, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model


def added(model, names, taking=(), before=False):
    """Tokens found as they are spelled; those of the model keep their ids."""
    following = max(model["vocab"].values()) + 1
    result = []
    for name in names:
        token = model["vocab"].get(name)
        if token is None:
            token, following = following, following + 1
        result.append(
            {"id": token, "content": name, "single_word": False, "lstrip": before and name in taking, "rstrip": name in taking, "normalized": False, "special": name != "<tool>"}
        )
    return sorted(result, key=lambda entry: entry["id"])


def template(bos, token):
    return {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {bos: {"id": bos, "ids": [token], "tokens": [bos]}},
    }


def byte_level(expression):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": expression}


def split(pattern):
    return {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, byte_level(False)]}


def prepend_and_replace(prepends):
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    return {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, replace]} if prepends else replace


def metaspace(scheme):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": False}


def main():
    bases = {"bytes": trained(True), "characters": trained(False)}
    # A word that no merge leads to: only who takes whole words finds it.
    bases["bytes"]["vocab"]["\u0120swifts"] = len(bases["bytes"]["vocab"])
    # Pairs, as newer files have them; the other base has the older form.
    bases["bytes"]["merges"] = [" ".join(pair) for pair in bases["bytes"]["merges"]]
    names = ["<|user|>", "<|end|>", "<|assistant|>", "<tool>"]
    kinds = []

    def kind(name, base, names=names, taking=(), before=False, ignore_merges=False, bos=None, **parts):
        changes = {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None} | parts
        changes["added_tokens"] = added(bases[base], names + (["<s>"] if bos and base == "bytes" else []), taking, before)
        if bos:
            token = next(entry["id"] for entry in changes["added_tokens"] if entry["content"] == bos)
            changes["post_processor"] = template(bos, token)
        kinds.append({"name": name, "base": base, "ignore_merges": ignore_merges, "changes": changes})

    own = ["<unk>", "<s>", "</s>"] + names
    decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    kind("gpt-2", "bytes", pre_tokenizer=byte_level(True), post_processor=byte_level(True), decoder=decoder)
    kind("smollm", "bytes", decoder=decoder, pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level(True)]})
    kind("llama-3", "bytes", pre_tokenizer=split(LLAMA3), ignore_merges=True, bos="<s>", decoder=decoder)
    kind("llama-3 that merges", "bytes", pre_tokenizer=split(LLAMA3), decoder=decoder)
    kind("qwen2", "bytes", normalizer={"type": "NFC"}, pre_tokenizer=split(LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")), decoder=decoder)
    kind("gpt-4o", "bytes", pre_tokenizer=split(CASED), decoder=decoder)
    removing = split(LLAMA3)
    removing["pretokenizers"][0] |= {"behavior": "Removed", "invert": True}
    kind("phi-4", "bytes", taking=("<|user|>", "<|end|>"), before=True, pre_tokenizer=removing, decoder=decoder)
    kind("llama-2", "characters", own, bos="<s>", normalizer=prepend_and_replace(True))
    kind("phi-3", "characters", own, taking=("<|user|>", "<|end|>", "<|assistant|>"), bos="<s>", normalizer=prepend_and_replace(True))
    kind("mistral", "characters", own, bos="<s>", pre_tokenizer=metaspace("first"))
    kind("metaspace everywhere", "characters", own, pre_tokenizer=metaspace("always"))
    kind("metaspace nowhere", "characters", own, pre_tokenizer=metaspace("never"))
    gemma = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    kind("gemma", "characters", own, bos="<s>", normalizer=prepend_and_replace(False), pre_tokenizer=gemma)

    texts = [text for text in SENTENCES + CORPUS if len(text) < 48] + SPELLED + [text for text in fuzzed(1200, 3) if len(text) < 14][:190]
    for entry in kinds:
        file = {"version": "1.0", "truncation": None, "padding": None, "model": copy.deepcopy(bases[entry["base"]])} | entry["changes"]
        file["model"]["ignore_merges"] = entry["ignore_merges"]
        tokenizer = Tokenizer.from_str(json.dumps(file))
        entry["ids"] = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        entry["begin"] = tokenizer.encode("a").ids
    print(json.dumps({"bases": bases, "texts": texts, "kinds": kinds}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
