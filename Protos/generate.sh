#!/bin/sh
# Writes Sources/WorkerProtocol/Generated from the .proto files. The result is checked in: only who changes a .proto file
# runs this. Needs protoc (Debian: protobuf-compiler); its Swift plugin is built from the package's own dependency.
set -eu
cd "$(dirname "$0")/.."

scratch=.build-protos
swift build --scratch-path "$scratch" --product protoc-gen-swift
plugin="$(swift build --scratch-path "$scratch" --show-bin-path)/protoc-gen-swift"

protoc --plugin="protoc-gen-swift=${PROTOC_GEN_SWIFT:-$plugin}" --proto_path=Protos \
    --swift_out=Sources/WorkerProtocol/Generated --swift_opt=Visibility=Package \
    --swift_opt=UseAccessLevelOnImports=true --swift_opt=FileNaming=DropPath \
    apus/worker/v1/worker.proto
