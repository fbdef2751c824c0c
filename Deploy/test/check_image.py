#!/usr/bin/env python3
"""Checks the Dockerfile without a registry: buildah builds it on a base that debootstrap makes of the same Debian release,
which for the build stage has this machine's Swift toolchain, of the version that the Dockerfile names; then the image's own
entry point serves a model, as the image's user and with a read-only root, and its bill of materials is compared with what
is in it.

    sudo python3 Deploy/test/check_image.py MODEL.gguf
    sudo python3 Deploy/test/check_image.py MODEL.gguf ARCHITECTURE APUS OWN_APUS

The second form is for another architecture, amd64 or arm64: APUS, a binary of it that was built with --static-swift-stdlib,
takes the place of what the build stage makes. It runs in emulation (qemu-user-static, and that architecture's binutils) and
must answer as this machine's own binary does.

Needs root, debootstrap and buildah. What it builds on is kept in .build-image.
"""

import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from checks import conclude, expect, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
OWN = next(name for name, machine in MACHINES.items() if machine == platform.machine())
MODEL = sys.argv[1]
ARCHITECTURE, APUS, OWN_APUS = sys.argv[2:] or (OWN, None, None)
MACHINE = MACHINES[ARCHITECTURE]
KEPT = ROOT / (".build-image" if ARCHITECTURE == OWN else f".build-image-{ARCHITECTURE}")
BUILDAH = ["buildah", "--storage-driver=vfs", f"--root={KEPT}/store", f"--runroot={KEPT}/run"]
# What the build stage leaves to others, and what of the official image's packages it takes.
RESULTS = ("apus", "Package.resolved", "swift-version")
COMPILER_NEEDS = (
    "binutils ca-certificates gcc git libcurl4 libedit2 libncurses6 libsqlite3-0 libstdc++-12-dev libxml2 tzdata zlib1g-dev")
LABELS = {"VERSION": "", "REVISION": "0123abcd", "SOURCE": "https://git.example/apus", "CREATED": "2026-01-31T12:00:00Z"}


def run(*command: object, **more) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout.strip()


def emulate() -> None:
    """The kernel runs the architecture's programs, in any root."""
    kernel, name = pathlib.Path("/proc/sys/fs/binfmt_misc"), f"qemu-{MACHINE}"
    if not (kernel / "register").exists():
        run("mount", "-t", "binfmt_misc", "none", kernel)
    if not (kernel / name).exists():
        (kernel / "register").write_text(pathlib.Path(f"/usr/lib/binfmt.d/{name}.conf").read_text())


def stages(text: str) -> list[tuple[str, str]]:
    """Each stage's base and its text."""
    starts = [each.start() for each in re.finditer(r"^FROM ", text, re.M)]
    parts = [text[start:end] for start, end in zip(starts, starts[1:] + [len(text)])]
    return [(part.split()[1], part) for part in parts]


def check_build_stage(text: str) -> None:
    """It builds with what `make build` builds with, and as `make bench-router` does."""
    makefile = (ROOT / "Makefile").read_text()
    libraries = re.search(r"^LIBRARIES := (.+)$", makefile, re.M)[1]
    expect(f" {libraries} \\\n" in text, f"Dockerfile: builds with other packages than {libraries}")
    flags = re.search(r"^RELEASE_BUILD := (.+)$", makefile, re.M)[1]
    flags += re.search(r"^IMAGE_BUILD_FLAGS := \$\(RELEASE_BUILD\)(.+)$", makefile, re.M)[1]
    expect(f"RUN swift build {flags} \\\n" in text, f"Dockerfile: builds with other flags than {flags}")


def has_image(image: str) -> bool:
    return image in run(*BUILDAH, "images", "--format", "{{.Name}}:{{.Tag}}")


def make_base(image: str) -> None:
    """The official image's place is taken by debootstrap's smallest system of the same release."""
    if has_image(image):
        return
    release = re.fullmatch(r"debian:(\w+)-slim", image)[1]
    archive = KEPT / f"{release}.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory() as folder:
            run("debootstrap", "--variant=minbase", f"--arch={ARCHITECTURE}", release, f"{folder}/system")
            run("tar", "-C", f"{folder}/system", "-cf", archive, ".")
    container = run(*BUILDAH, "from", f"--arch={ARCHITECTURE}", "scratch")
    run(*BUILDAH, "add", container, archive, "/")
    run(*BUILDAH, "commit", "--rm", container, f"docker.io/library/{image}")


def make_toolchain(image: str, system: str) -> list[str]:
    """The official image's place is taken by the base, what a compiler needs, and this machine's toolchain, which is not
    copied but lies at its own path while it builds. Returns the folders that must lie there."""
    told = json.loads(run("swift", "-print-target-info"))
    toolchain = pathlib.Path(told["paths"]["runtimeResourcePath"]).parents[1]
    if toolchain == pathlib.Path("/usr"):
        sys.exit("Swift lies in /usr here, which cannot be laid over another system's: install it in a folder of its own")
    # Where this machine's git finds repositories in a folder instead of the network.
    places = subprocess.run(["git", "config", "--get-regexp", r"^url\./.*\.insteadof$"], capture_output=True, text=True)
    mirrors = {line.split()[0].removeprefix("url.").rsplit(".", 1)[0] for line in places.stdout.splitlines()}
    settings = ["/etc/gitconfig"] if mirrors else []
    if not has_image(image):
        container = run(*BUILDAH, "from", system)
        run(*BUILDAH, "run", "--isolation=chroot", container, "--", "sh", "-ec", f"""
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {COMPILER_NEEDS}
            rm -rf /var/lib/apt/lists/*
            """)
        path = f"{toolchain}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        run(*BUILDAH, "config", "--env", f"PATH={path}", container)
        run(*BUILDAH, "commit", "--rm", container, f"docker.io/library/{image}")
    return [f"--volume={folder}:{folder}:ro" for folder in (toolchain, *sorted(mirrors), *settings)]


def compile_apus(volumes: list[str], built: pathlib.Path) -> None:
    """Runs the build stage, and lays its results ready."""
    run(*BUILDAH, "bud", "--isolation=chroot", f"--ignorefile={ROOT / '.dockerignore'}", *volumes, "--target=build",
        "--tag=apus:built", ROOT)
    container = run(*BUILDAH, "from", "apus:built")
    mounted = pathlib.Path(run(*BUILDAH, "mount", container))
    for name in RESULTS:
        shutil.copy(mounted / name, built)
    run(*BUILDAH, "rm", container)
    run(*BUILDAH, "rmi", "apus:built")


def take_apus(built: pathlib.Path) -> None:
    """Lays ready what the build stage would make, of a binary that there is."""
    run(f"{MACHINE}-linux-gnu-strip", "-o", built / "apus", APUS)
    shutil.copy(ROOT / "Package.resolved", built)
    (built / "swift-version").write_text(re.search(r"Swift version ([\d.]+)", run("swift", "--version"))[1] + "\n")


def build(text: str, bases: list[str], version: str) -> str:
    """The image: the first stage, and all others on its results."""
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        context = pathlib.Path(folder)
        for name in ("Config", "Deploy/image"):
            shutil.copytree(ROOT / name, context / name)
        built = context / "built"
        built.mkdir()
        if APUS:
            take_apus(built)
        else:
            compile_apus(make_toolchain(*bases[:2]), built)
        dockerfile = "FROM scratch AS build\nCOPY built/ /\n" + "".join(part for _, part in stages(text)[1:])
        (context / "Dockerfile").write_text(dockerfile)
        arguments = [f"--build-arg={name}={value}" for name, value in (LABELS | {"VERSION": version}).items()]
        run(*BUILDAH, "bud", f"--arch={ARCHITECTURE}", "--isolation=chroot", "--format=docker",
            f"--ignorefile={ROOT / '.dockerignore'}", *arguments, "--tag=apus:checked", context)
    return "apus:checked"


def check_configuration(config: dict, version: str) -> None:
    labels = {key.rsplit(".", 1)[1]: value for key, value in config["Labels"].items() if "opencontainers" in key}
    wanted = {name.lower(): value for name, value in (LABELS | {"VERSION": version}).items()}
    expect(wanted.items() <= labels.items(), f"labels: {labels}")
    expect({"title", "description", "licenses"} <= {key for key, value in labels.items() if value}, f"labels: {labels}")
    expect(config["User"] == "65532:65532", f"user: {config['User']}")
    expect(config["Entrypoint"] == ["/usr/local/bin/apus"], f"entry point: {config['Entrypoint']}")
    expect(config["StopSignal"] == "SIGTERM", f"signal: {config['StopSignal']}")
    ports = {f"{port}/tcp" for port in (8000, 8001, 8002, 8101, 8102)}
    expect(set(config["ExposedPorts"]) == ports, f"ports: {config['ExposedPorts']}")


def inside(system: str, model: str, environment: list[str], *command: str) -> list[str]:
    """The command as the image's user, below a root that is read-only, with the model's folder at /mnt."""
    folder, user = pathlib.Path(model).resolve().parent, "65532:65532"
    script = """
        mount --bind "$1" "$1" && mount --bind "$2" "$1/mnt" || exit
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -o remount,bind,ro "$1" || exit
        root=$1 user=$3
        shift 3
        exec chroot --userspec="$user" "$root" /usr/bin/env -i "$@"
        """
    return ["unshare", "--mount", "sh", "-c", script, "sh", system, str(folder), user, *environment, *command]


def free_ports() -> dict[str, int]:
    return {name: free_port() for name in ("HTTP", "GRPC", "ADMIN")}


@contextlib.contextmanager
def serving(command: list[str], ports: dict[str, int]):
    """Runs `apus serve`, which hears on these ports, and goes on when it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            ready = f"http://127.0.0.1:{ports['ADMIN']}/readyz"
            deadline = time.monotonic() + 300
            while time.monotonic() < deadline and server.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5):
                    break
                time.sleep(0.3)
            yield
        finally:
            server.terminate()
            log = server.communicate(timeout=60)[0]
    expect(server.returncode == 0, f"the server ended with {server.returncode}: {log[-2000:]}")


def answer(ports: dict[str, int]) -> dict:
    """What does not differ between two answers to one request: tokens, their probabilities, the numerics id."""
    body = {"model": "m", "prompt": "Swifts", "max_tokens": 8, "ignore_eos": True, "temperature": 0, "logprobs": 2}
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports['HTTP']}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=300) as response:
        told = json.load(response)
        return {key: told[key] for key in ("choices", "usage", "system_fingerprint")}
    return {}


def check_serving(system: str, config: dict, model: str, version: str) -> dict:
    ports = free_ports()
    environment = config["Env"] + [f"APUS_{name}_PORT={port}" for name, port in ports.items()]

    def ask(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run(inside(system, model, environment, *command), capture_output=True, text=True)

    told = ask(*config["Entrypoint"], "--version")
    expect(told.stdout.strip() == version, f"--version in the image: {told.stdout}{told.stderr}")
    expect(ask(*config["Entrypoint"], *config["Cmd"]).returncode == 0, "what the image does by itself fails")
    expect(ask("/bin/touch", "/tmp/here").returncode != 0, "the root is not read-only, so nothing is shown")
    health = config["Healthcheck"]["Test"]
    expect(health[0] == "CMD", f"health check: {health}")
    expect(ask(*health[1:]).returncode != 0, "the health check passes where nothing runs")
    file = f"/mnt/{pathlib.Path(model).name}"
    with serving(inside(system, model, environment, *config["Entrypoint"], "serve", file, "--name=m"), ports):
        expect(ask(*health[1:]).returncode == 0, "the health check fails while it serves")
        answered = answer(ports)
    expect(answered.get("usage", {}).get("completion_tokens") == 8, f"no answer from the image: {answered}")
    return answered


def check_equality(answered: dict, own: str, model: str) -> None:
    """Another architecture answers as this machine does."""
    ports = free_ports()
    environment = [f"APUS_{name}_PORT={port}" for name, port in ports.items()]
    with serving(["env", *environment, own, "serve", model, "--name=m"], ports):
        expected = answer(ports)
    expect(expected != {} and answered == expected, f"{ARCHITECTURE} answers {answered}, {OWN} {expected}")


def check_bill(system: str, version: str) -> None:
    """The bill names what Package.swift asks for, every package of the system, and those that the loader takes from."""
    bill = json.loads((pathlib.Path(system) / "usr/share/doc/apus/sbom.spdx.json").read_text())
    expect(bill["spdxVersion"] == "SPDX-2.3" and bill["creationInfo"]["created"] == LABELS["CREATED"], "bill: head")
    packages = {each["SPDXID"]: each for each in bill["packages"]}
    expect(len(packages) == len(bill["packages"]), "bill: an identifier twice")
    expect(all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", each) for each in packages), "bill: identifiers")
    relations = {(each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"])
                 for each in bill["relationships"]}
    ends = {end for one, _, other in relations for end in (one, other)}
    expect(ends - {"SPDXRef-DOCUMENT"} == set(packages), f"bill: {ends ^ set(packages)} have no package or no relation")
    expect(packages["SPDXRef-apus"]["versionInfo"] == version, "bill: version")

    used = {packages[to]["name"]: packages[to]["versionInfo"] for _, kind, to in relations if kind == "DEPENDS_ON"}
    asked = re.findall(r'url: "[^"]+/([\w-]+?)(?:\.git)?", exact: "([\d.]+)"', (ROOT / "Package.swift").read_text())
    exact = {name.lower(): version for name, version in asked}
    expect(len(exact) >= 6, "Package.swift: no packages were found")
    expect(used == exact, f"bill: {used} are used, Package.swift says exactly {exact}")

    query = run("chroot", system, "dpkg-query", "-W", "-f", "${Package} ${Version}\n").splitlines()
    debs = {f"{each['name']} {each['versionInfo']}" for key, each in packages.items() if key.startswith("SPDXRef-deb-")}
    expect(debs == set(query), f"bill: packages of the system differ: {sorted(debs ^ set(query))}")

    needed = run("chroot", system, "ldd", "/usr/local/bin/apus")
    expect("not found" not in needed, f"libraries are missing: {needed}")
    libraries = {path.rsplit("/", 1)[1] for path in re.findall(r"(/\S+) \(0x", needed)}
    lists = pathlib.Path(system, "var/lib/dpkg/info")
    owners = {
        list_.name.removesuffix(".list").split(":")[0] for list_ in lists.glob("*.list")
        if libraries & {line.rsplit("/", 1)[-1] for line in list_.read_text().splitlines() if "/lib" in line}
    }
    written = {packages[to]["name"] for _, kind, to in relations if kind == "DYNAMIC_LINK"}
    expect(len(libraries) > 4 and written == owners, f"bill: linked to {sorted(written)}, the loader takes {sorted(owners)}")
    asked = set(re.search(r"--no-install-recommends \\\n +([^\\]+) \\", stages(
        (ROOT / "Dockerfile").read_text())[1][1])[1].split()) - {"ca-certificates"}
    expect(asked <= owners, f"Dockerfile: installs {sorted(asked - owners)}, which nothing is linked to")


def main() -> None:
    text = (ROOT / "Dockerfile").read_text()
    versions = re.findall(r"^ARG VERSION=(.*)$", text, re.M)
    version = versions[0]
    bases = [base for base, _ in stages(text)]
    toolchain, system = re.fullmatch(r"swift:([\d.]+)-(\w+)", bases[0]), bases[1]
    expect(bases[2:] == ["system"] * (len(bases) - 2), f"Dockerfile: stages are based on {bases}")
    expect(toolchain is not None and system == f"debian:{toolchain[2]}-slim", f"Dockerfile: releases differ: {bases}")
    expect(f"Swift version {toolchain[1]} " in run("swift", "--version"), f"Dockerfile: {bases[0]} is not what builds here")
    expect(set(versions) == {version}, f"Dockerfile: VERSION is {versions}")

    check_build_stage(text)

    if ARCHITECTURE != OWN:
        emulate()
    KEPT.mkdir(exist_ok=True)
    make_base(system)
    image = build(text, bases, version)
    told = json.loads(run(*BUILDAH, "inspect", "--type=image", image))
    config = told["Docker"]["config"]
    expect(told["OCIv1"]["architecture"] == ARCHITECTURE, f"architecture: {told['OCIv1']['architecture']}")
    check_configuration(config, version)
    container = run(*BUILDAH, "from", image)
    try:
        mounted = run(*BUILDAH, "mount", container)
        answered = check_serving(mounted, config, MODEL, version)
        if ARCHITECTURE != OWN:
            check_equality(answered, OWN_APUS, MODEL)
        check_bill(mounted, version)
    finally:
        run(*BUILDAH, "rm", container)
        run(*BUILDAH, "rmi", image)
        run(*BUILDAH, "rmi", "--prune")
    conclude()


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("check_image.py mounts and changes its root: run it as root")
    main()
