"""Makes huggingface.json: logits that transformers computes in float32 from small random models, one folder of each family.

Usage: APUS_HUGGINGFACE_FOLDER=FOLDER swift test --filter HuggingFaceFamilyTests        (writes the folders)
       python3 make_huggingface.py FOLDER > huggingface.json        (the PyPI packages torch, transformers 5.23.0)
"""

import json
import pathlib
import random
import sys

import torch
from transformers import AutoModelForCausalLM, DynamicCache


class RoundedCache(DynamicCache):
    """Holds keys and values as f16."""

    def update(self, keys, values, *arguments, **named):
        return super().update(keys.half().float(), values.half().float(), *arguments, **named)


def with_floats(value, name=""):
    """A config whose whole numbers are floats where transformers insists on them."""
    if isinstance(value, dict):
        return {key: with_floats(entry, key) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_floats(entry, name) for entry in value]
    is_float = name.endswith(("softcapping", "factor", "rope_theta")) and isinstance(value, int)
    return float(value) if is_float else value


def rows(logits):
    return [[float(f"{x:.7g}") for x in row[::9].tolist()] for row in logits[0].flip(0)[::6]]


def main():
    result = []
    for folder in sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.is_dir()):
        config = folder / "config.json"
        config.write_text(json.dumps(with_floats(json.loads(config.read_text()))))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        chance = random.Random(11)
        tokens = [chance.randrange(100) for _ in range(40)]
        ids = torch.tensor([tokens])
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits
            rounded = model(ids, use_cache=True, past_key_values=RoundedCache()).logits
        result.append(
            {
                "name": folder.name,
                "byteSum": sum((folder / "model.safetensors").read_bytes()),
                "tokens": tokens,
                "logits": rows(logits),
                "rounded": rows(rounded),
            }
        )
    print("[" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in result) + "]")


if __name__ == "__main__":
    main()
