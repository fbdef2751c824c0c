#!/bin/sh
# Writes Sources/*/Generated from the .proto files. The result is checked in: only who changes a .proto file runs this. Needs
# protoc (Debian: protobuf-compiler); its Swift plugin is built from the package's own dependency.
set -eu
cd "$(dirname "$0")/.."

scratch=.build-protos
if [ -z "${PROTOC_GEN_SWIFT:-}" ]; then
    swift build --scratch-path "$scratch" --product protoc-gen-swift
    PROTOC_GEN_SWIFT="$(swift build --scratch-path "$scratch" --show-bin-path)/protoc-gen-swift"
fi

# generate ROOM FILE.proto...: messages of a room.
generate() {
    room=$1
    shift
    protoc --plugin="protoc-gen-swift=$PROTOC_GEN_SWIFT" --proto_path=Protos \
        --swift_out="Sources/$room/Generated" --swift_opt=Visibility=Package \
        --swift_opt=UseAccessLevelOnImports=true --swift_opt=FileNaming=DropPath "$@"
}
generate WorkerProtocol apus/worker/v1/worker.proto
generate InferenceProtocol inference/inference.proto externalscaler/externalscaler.proto \
    grpc/reflection/v1/reflection.proto

# What server reflection tells: the public services as descriptors, in hexadecimal.
descriptors=$(mktemp)
protoc --proto_path=Protos --descriptor_set_out="$descriptors" inference/inference.proto \
    externalscaler/externalscaler.proto grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto grpc/reflection/v1alpha/reflection.proto
{
    echo "// DO NOT EDIT. Written by Protos/generate.sh."
    echo
    echo "/// A google.protobuf.FileDescriptorSet of the services that clients may call, in hexadecimal."
    echo 'package let publicDescriptorSet = """'
    od -An -v -tx1 "$descriptors" | tr -d ' \n' | fold -w 120 | sed -e '$!s/$/\\/' -e 's/^/    /'
    echo
    echo '    """'
} >Sources/InferenceProtocol/Generated/descriptors.swift
rm "$descriptors"
