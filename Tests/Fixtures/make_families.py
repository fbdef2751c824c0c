"""Makes families.json: logits that llama.cpp computes from small random models, one of each family.

Usage: APUS_FAMILY_FOLDER=FOLDER swift test --filter FamilyReferenceTests        (writes the models)
       cc llama_logits.c -I LLAMA/include -I LLAMA/ggml/include -L BUILD/bin -lllama -lggml -lggml-base -o llama_logits
       python3 make_families.py FOLDER ./llama_logits > families.json
"""

import json
import pathlib
import random
import subprocess
import sys

CONTEXT = 128


def main():
    folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    rows = []
    for path in sorted(folder.glob("*.gguf")):
        chance = random.Random(11)
        tokens = [chance.randrange(100) for _ in range(40)]
        output = subprocess.run([program, path, str(CONTEXT), *map(str, tokens)], check=True, capture_output=True, text=True).stdout
        logits = [[float(x) for x in line.split()] for line in output.splitlines()]
        rows.append({"name": path.stem, "byteSum": sum(path.read_bytes()), "tokens": tokens, "logits": [row[::9] for row in logits[::-6]]})
    print("[" + ",\n".join(json.dumps(row) for row in rows) + "]")


if __name__ == "__main__":
    main()
