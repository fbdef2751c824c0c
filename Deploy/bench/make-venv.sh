#!/usr/bin/env bash
# Makes a virtual environment of peers. `engines` (the default): .bench/venv with OpenVINO GenAI and what prepares models
# and draws the plot. `routers`: .bench/router-venv with the routers that Apus' is measured against.
set -euo pipefail
cd "$(dirname "$0")/../.."

case "${1:-engines}" in
    engines)
        venv=.bench/venv
        packages=(openvino-genai==2026.4.1.0 gguf==0.19.0 numpy==2.4.6 matplotlib==3.11.2)
        ;;
    routers)
        venv=.bench/router-venv
        packages=(vllm-router==0.1.17 sglang-router==0.3.2)
        ;;
    *)
        echo "usage: $0 [engines|routers]" >&2
        exit 2
        ;;
esac
is_made() {
    local installed name
    installed=$($venv/bin/python -m pip freeze 2>/dev/null) || return 1
    for name in "${packages[@]}"; do grep -qx "${name//-/[-_]}" <<<"$installed" || return 1; done
}
is_made && exit 0

Deploy/local/install-packages.sh python3-venv
mkdir -p .bench
python3 -m venv $venv
$venv/bin/python -m pip install --quiet --disable-pip-version-check "${packages[@]}"
