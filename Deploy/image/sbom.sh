#!/bin/sh
# Writes what the image is made of, as SPDX 2.3 in JSON: the binary, the Swift packages in it, and the packages of the system
# that it runs on, among which those that it is linked to. Runs in the image itself.
#
#   sbom.sh BINARY Package.resolved SWIFT_VERSION VERSION CREATED      CREATED: as 2026-01-31T12:00:00Z, or empty: now
set -eu
binary=$1 resolved=$2 swift=$3 version=$4 created=${5:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}
digest=$(sha256sum "$binary" | cut -d' ' -f1)

# Packages that own the libraries that the loader finds. Paths of packages are from before /lib became /usr/lib, or after.
linked() {
    ldd "$binary" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' | while read -r library; do
        dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "/usr$library"
    done | cut -d: -f1 | sort -u
}

{
    echo "swift-lang $swift"
    awk -F'"' '$2 == "identity" { name = $4 } $2 == "location" { place = $4 } $2 == "version" && $4 { print "swift", name, $4, place }' \
        "$resolved"
    dpkg-query -W -f='deb ${Package} ${Version} ${Architecture}\n'
    linked | sed 's/^/linked /'
} | awk -v digest="$digest" -v version="$version" -v created="$created" '
    function id(kind, name) { gsub(/[^A-Za-z0-9.-]/, "-", name); return "SPDXRef-" kind "-" name }
    function package(ref, name, version, place, locator) {
        packages = packages (packages ? ",\n" : "") \
            sprintf("    {\"SPDXID\": \"%s\", \"name\": \"%s\", \"versionInfo\": \"%s\", \"downloadLocation\": \"%s\", ", \
                ref, name, version, place) \
            sprintf("\"filesAnalyzed\": false, \"licenseConcluded\": \"NOASSERTION\", \"licenseDeclared\": \"%s\", ", \
                name == "apus" ? "Apache-2.0" : "NOASSERTION") \
            "\"copyrightText\": \"NOASSERTION\"" \
            (name == "apus" ? sprintf(", \"checksums\": [{\"algorithm\": \"SHA256\", \"checksumValue\": \"%s\"}]", digest) : "") \
            (locator ? sprintf(", \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", \"referenceType\": \"purl\", " \
                "\"referenceLocator\": \"%s\"}]", locator) : "") "}"
    }
    function relation(from, kind, to) {
        relations = relations (relations ? ",\n" : "") \
            sprintf("    {\"spdxElementId\": \"%s\", \"relationshipType\": \"%s\", \"relatedSpdxElement\": \"%s\"}", from, kind, to)
    }
    BEGIN {
        relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-apus")
        package("SPDXRef-apus", "apus", version, "NOASSERTION", "")
    }
    $1 == "swift-lang" {
        package("SPDXRef-swift", "swift", $2, "https://www.swift.org", "")
        relation("SPDXRef-apus", "STATIC_LINK", "SPDXRef-swift")
    }
    $1 == "swift" {
        path = $4; sub(/^https:\/\//, "", path); sub(/\.git$/, "", path)
        package(id("swift", $2), $2, $3, "git+" $4 "@" $3, "pkg:swift/" path "@" $3)
        relation("SPDXRef-apus", "DEPENDS_ON", id("swift", $2))
    }
    $1 == "deb" {
        locator = $3; gsub(/\+/, "%2B", locator); gsub(/:/, "%3A", locator)
        package(id("deb", $2), $2, $3, "NOASSERTION", "pkg:deb/debian/" $2 "@" locator "?arch=" $4)
        relation(id("deb", $2), "RUNTIME_DEPENDENCY_OF", "SPDXRef-apus")
    }
    $1 == "linked" { relation("SPDXRef-apus", "DYNAMIC_LINK", id("deb", $2)) }
    END {
        printf "{\n  \"spdxVersion\": \"SPDX-2.3\",\n  \"dataLicense\": \"CC0-1.0\",\n  \"SPDXID\": \"SPDXRef-DOCUMENT\",\n"
        printf "  \"name\": \"apus-%s\",\n", version
        printf "  \"documentNamespace\": \"https://spdx.org/spdxdocs/apus-%s-%s\",\n", version, digest
        printf "  \"creationInfo\": {\"created\": \"%s\", \"creators\": [\"Tool: apus-sbom.sh\"]},\n", created
        printf "  \"packages\": [\n%s\n  ],\n  \"relationships\": [\n%s\n  ]\n}\n", packages, relations
    }'
