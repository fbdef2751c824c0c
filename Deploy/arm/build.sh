#!/usr/bin/env bash
# Compiles Apus for AArch64 on an x86-64 machine, for the Debian release that the Dockerfile's last stages are on, and leaves
# it at .build-arm/apus. The compiler is that of Debian's unstable release, in a root of its own: the newest Swift that Debian
# has, with the standard library of its AArch64 package. Downloads 1.2 GB the first time; needs root and debootstrap.
#
# An image is not made this way: its build stage runs on the official Swift image, which exists for both architectures.
set -euo pipefail
cd "$(dirname "$0")/../.."

kept=$PWD/.build-arm
triple=aarch64-unknown-linux-gnu
release=$(sed -n 's/^FROM debian:\([a-z]*\)-slim.*/\1/p' Dockerfile)
library=$kept/library/usr/libexec/swift/lib
system=$kept/$release
mkdir -p "$kept"

# The compiler, and packages of the other architecture beside it that are only unpacked.
compiler=$kept/compiler
if [ ! -e "$compiler/made" ]; then
    rm -rf "$compiler"
    debootstrap --variant=minbase --include=swiftlang,g++,pkgconf,git sid "$compiler" >&2
    touch "$compiler/made"
fi

# The standard library, of the compiler's very version: its modules are read by no other.
if [ ! -e "$kept/library/made" ]; then
    rm -rf "$kept/library"
    mkdir -p "$kept/library"
    chroot "$compiler" dpkg --add-architecture arm64
    chroot "$compiler" apt-get -qq -o Acquire::Check-Valid-Until=false update
    version=$(chroot "$compiler" dpkg-query -W -f '${Version}' swiftlang)
    chroot "$compiler" bash -c "cd /tmp && apt-get -qq download swiftlang:arm64=$version"
    dpkg-deb --fsys-tarfile "$compiler"/tmp/swiftlang_*_arm64.deb |
        tar -C "$kept/library" -x ./usr/libexec/swift/lib/{swift,swift_static,clang}
    rm "$compiler"/tmp/swiftlang_*_arm64.deb
    touch "$kept/library/made"
fi

# The system that the binary is for, unpacked: headers and libraries. Links with absolute targets would lead out of it.
if [ ! -e "$system/made" ]; then
    rm -rf "$system"
    debootstrap --foreign --arch=arm64 --variant=minbase \
        --include=libnghttp2-dev,libssl-dev,libc6-dev,libstdc++-12-dev "$release" "$system" >&2
    for package in "$system"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$system"; done
    find "$system" -type l -lname '/*' | while read -r link; do
        ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$system$(readlink "$link")")" "$link"
    done
    ln -s "$library/swift" "$library/swift_static" "$system/usr/lib/"
    touch "$system/made"
fi

sdk=$kept/sdks/arm.artifactbundle
mkdir -p "$sdk"
cat >"$sdk/info.json" <<JSON
{"schemaVersion": "1.0", "artifacts": {"arm": {"type": "swiftSDK", "version": "1", "variants": [{"path": "."}]}}}
JSON
cat >"$sdk/swift-sdk.json" <<JSON
{"schemaVersion": "4.0", "targetTriples": {"$triple": {"sdkRootPath": "$system", "toolsetPaths": ["toolset.json"],
  "swiftResourcesPath": "$library/swift", "swiftStaticResourcesPath": "$library/swift_static"}}}
JSON
cat >"$sdk/toolset.json" <<JSON
{"schemaVersion": "1.0", "swiftCompiler": {"extraCLIOptions": ["-use-ld=lld"]}}
JSON

# What the standard library takes from a C library that is newer than the release's.
clang -target "$triple" --sysroot "$system" -O2 -Wall -Wextra -Werror -c Deploy/arm/newer_libc.c -o "$kept/newer_libc.o"

# Packages are fetched out here; in the compiler's root there is this folder alone, at its own path, with what Debian's Swift
# lacks laid over it.
swift package --scratch-path "$kept/build" resolve
# shellcheck disable=SC2016
unshare --mount bash -euc '
    compiler=$1 kept=$2 system=$3
    mkdir -p "$compiler$PWD"
    mount -t tmpfs tmpfs "$compiler/mnt"
    for room in Text WorkerProtocol API; do
        install -D -p -t "$compiler/mnt/Sources/$room" Deploy/arm/ArrayAppending.swift
    done
    mount -t overlay overlay -o "lowerdir=$compiler/mnt:$PWD" "$compiler$PWD"
    mount --bind "$kept" "$compiler$kept"
    mount -t proc proc "$compiler/proc"
    mount --rbind /dev "$compiler/dev"
    exec chroot "$compiler" env -i HOME=/root PATH=/usr/bin:/bin PKG_CONFIG_SYSROOT_DIR="$system" \
        PKG_CONFIG_LIBDIR="$system/usr/lib/aarch64-linux-gnu/pkgconfig" bash -euc "$4" - "$PWD" "$kept"
    ' - "$compiler" "$kept" "$system" '
    cd "$1"
    git config --global safe.directory "*"
    swift build --disable-sandbox --swift-sdks-path "$2/sdks" --swift-sdk arm --disable-automatic-resolution \
        --scratch-path "$2/build" -c release --product apus --static-swift-stdlib \
        -Xswiftc -enforce-exclusivity=unchecked -Xlinker "$2/newer_libc.o"
    '
cp "$kept/build/$triple/release/apus" "$kept/apus"
