#!/usr/bin/env bash
# Makes .bench/venv: OpenVINO GenAI, a peer that Apus is measured against, and what prepares models and draws the plot.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=.bench/venv
packages=(openvino-genai==2026.4.1.0 gguf==0.19.0 numpy==2.4.6 matplotlib==3.11.2)
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
