# syntax=docker/dockerfile:1
# Build stage: the official Swift image. `--static-swift-stdlib` leaves only system libraries to the runtime stage.
FROM swift:6.3.1-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        libnghttp2-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
RUN swift package resolve
# The manifest names the tests' folders, so they must be there; nothing in them is compiled.
COPY Tests Tests
COPY Sources Sources
# Optimized once more when it is linked: a router's request takes 7 % less of a CPU. For that alone it is not worth the minutes
# of every build, so `make build` does without; answers are the same.
RUN swift build -c release --product apus --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked --experimental-lto-mode full \
    && strip -o /apus .build/release/apus \
    && cp Package.resolved / && swift --version | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' >/swift-version

# What it runs on: three shared libraries, nobody's user. The libraries are the newest of the release, for their security
# fixes: no versions here.
FROM debian:bookworm-slim AS system
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        libssl3 libnghttp2-14 libstdc++6 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 apus && useradd --uid 65532 --gid 65532 --no-create-home --shell /usr/sbin/nologin apus

# What is in it, as SPDX.
FROM system AS bill
ARG VERSION=0.1.0
ARG CREATED=
COPY --from=build /apus /Package.resolved /swift-version /
COPY Deploy/image/sbom.sh /
RUN sh /sbom.sh /apus /Package.resolved "$(cat /swift-version)" "$VERSION" "$CREATED" >/sbom.spdx.json

# Runtime stage: the binary, its examples of settings, no shell needed to run it.
FROM system
COPY --from=build /apus /usr/local/bin/apus
COPY --from=bill /sbom.spdx.json /usr/share/doc/apus/sbom.spdx.json
COPY Config /etc/apus
USER 65532:65532
# Loopback inside a container reaches nobody. A variable comes before a file: say --host or -e APUS_HOST to change it.
ENV APUS_HOST=0.0.0.0
# What a batch of requests frees, the next one takes: more of it is kept at hand than glibc's seven pieces of a size. A
# router's request takes 5 % less of a CPU.
ENV GLIBC_TUNABLES=glibc.malloc.tcache_count=256
# 8000 HTTP, 8001 gRPC, 8002 metrics and admin; a worker: 8101 link and health, 8102 metrics.
EXPOSE 8000 8001 8002 8101 8102
# `apus health` asks a router's admin port, or else a worker's metrics port, whether the process is alive. Where flags
# move these ports, APUS_ADMIN_PORT or APUS_METRICS_PORT moves both the server and this.
HEALTHCHECK --interval=10s --timeout=2s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/apus", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/apus"]
CMD ["--help"]
# Known to who builds: `make image` says all of it.
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
ARG CREATED=
LABEL org.opencontainers.image.title="Apus" \
    org.opencontainers.image.description="Distributed inference serving for open models on machines you own" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.source="$SOURCE" \
    org.opencontainers.image.created="$CREATED"
