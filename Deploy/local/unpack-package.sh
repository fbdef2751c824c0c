#!/usr/bin/env bash
# unpack-package.sh PACKAGE FOLDER: the files of a Debian or Ubuntu package in a folder. For programs that a test needs and
# that would become a running service when installed.
set -euo pipefail

package=$1
folder=$2
[ -e "$folder/unpacked" ] && exit 0
mkdir -p "$folder"
cd "$folder"
if ! apt-get download -qq "$package" 2>/dev/null; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=120 update -qq
    apt-get download -qq "$package"
fi
dpkg-deb -x "$package"_*.deb .
rm "$package"_*.deb
touch unpacked
