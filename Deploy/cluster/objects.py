"""What is applied to the cluster: Deploy/kustomize and Deploy/helm as they are, in a namespace of the check's own, with only
that changed which depends on the cluster (the image, the volume, how much of a node a worker asks for); and the clients'
pod."""

import copy
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Deploy/test"))

import certificates
import chart
import checks
import kserve
import kustomize

CLIENT = "client"
OF_NO_NAMESPACE = {"ClusterServingRuntime"}
# Standing pods' and warnings of the standard: what only warns about a Deployment would refuse its pods.
STANDARD = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}


def namespace(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": STANDARD}}


def in_namespace(resources: list[dict], name: str) -> list[dict]:
    """All but the namespace itself, elsewhere than in `apus`."""
    moved = [copy.deepcopy(each) for each in resources if each["kind"] != "Namespace"]
    for each in moved:
        if each["kind"] not in OF_NO_NAMESPACE:
            each["metadata"]["namespace"] = name
        for subject in each.get("subjects", []):
            subject["namespace"] = name
    return moved


def variants() -> dict[str, list[dict]]:
    """Everything that could be applied, by name: the base alone, with each component, what helm makes of the same, and what
    KServe is told."""
    base = kustomize.base()
    found = {"base": base, "kserve": list(kserve.load())}
    for folder in kustomize.folders():
        found[folder.name] = kustomize.with_component(base, folder)
    helm = chart.find_helm()
    if helm:
        found["chart"] = chart.rendered(helm, [])
        for name, sets in chart.COMPONENTS.items():
            found[f"chart with {name}"] = chart.rendered(helm, sets)
    if checks.complaints:
        sys.exit("\n".join(checks.complaints))
    return found


def installed(options, components: list[str]) -> list[dict]:
    resources = kustomize.with_components(kustomize.base(), [kustomize.COMPONENTS / name for name in components])
    return adapted(certificates.made(in_namespace(resources, options.namespace)), options)


def installed_by_helm(options) -> list[dict]:
    resources = chart.rendered(chart.find_helm(), ["endpointSlices.enabled=true"], namespace=options.namespace)
    return adapted(in_namespace(resources, options.namespace), options)


def adapted(resources: list[dict], options) -> list[dict]:
    for each in resources:
        if each["kind"] == "PersistentVolumeClaim":
            each["spec"]["accessModes"] = [options.access_mode]
            if options.storage_class:
                each["spec"]["storageClassName"] = options.storage_class
        if each["kind"] not in ("Deployment", "StatefulSet"):
            continue
        pod = each["spec"]["template"]["spec"]
        pod["containers"][0]["image"] = options.image
        # So that processes can be stopped and killed from beside them: nobody may do that to a container's first one.
        pod["shareProcessNamespace"] = True
        if each["kind"] == "StatefulSet":
            amounts = {"cpu": options.worker_cpu, "memory": options.worker_memory}
            pod["containers"][0]["resources"] = {"requests": {**amounts, "cpu": "100m"}, "limits": amounts}
    return resources


def secrets() -> list[dict]:
    """The keys that components mount."""
    key = {"resume.key": "a key of this check alone: 32 bytes, or a few more"}
    return [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "apus-resume-key"}, "stringData": key}]


def clients(options) -> list[dict]:
    """A pod with Python, which asks the Service as any other pod of the cluster would; it also fills the models' volume."""
    files = [ROOT / "Deploy/cluster/load.py", ROOT / "Deploy/chaos/clients.py"]
    scripts = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CLIENT},
        "data": {file.name: file.read_text() for file in files},
    }
    container = {
        "name": CLIENT, "image": options.client_image, "command": ["sleep", "infinity"],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "scripts", "mountPath": "/check"}, {"name": "results", "mountPath": "/tmp"},
            {"name": "models", "mountPath": "/models"}],
    }
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": CLIENT},
        "spec": {
            "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1, "containers": [container],
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [
                {"name": "scripts", "configMap": {"name": CLIENT}}, {"name": "results", "emptyDir": {}},
                {"name": "models", "persistentVolumeClaim": {"claimName": "apus-models"}}],
        },
    }
    return [scripts, pod]
