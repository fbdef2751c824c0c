"""Does what the manifests name exist: pods by their labels, Services and ports by name, secrets, models, metrics, roles?"""

import pathlib
import re

from checks import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]


def title(resource: dict) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


def check_several(maker: dict, resources: list[dict]) -> None:
    """Of several pods, nodes hold as few as can be and evictions take one at a time; several routers know one key for
    resumed streams, and an autoscaler hears of all of them."""
    if maker["spec"].get("replicas") == 1:
        return
    name, template = title(maker), maker["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    spread = [each["labelSelector"]["matchLabels"] for each in pod.get("topologySpreadConstraints", [])]
    expect(any(each.items() <= labels.items() for each in spread), f"{name}: several pods may share a node")
    budgets = [each["spec"] for each in resources if each["kind"] == "PodDisruptionBudget"]
    mine = [each for each in budgets if each["selector"]["matchLabels"].items() <= labels.items()]
    expect([each["maxUnavailable"] for each in mine] == [1], f"{name}: evictions may take several pods at once")
    command, *arguments = pod["containers"][0]["args"]
    if command == "router":
        expect(any(each.startswith("--resume-key-file=") for each in arguments), f"{name}: each has its own key")
        for scaler in (each for each in resources if each["kind"] == "ScaledObject"):
            kinds = {trigger["type"] for trigger in scaler["spec"]["triggers"]}
            expect("prometheus" in kinds, f"{title(scaler)}: hears of one router among several")


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
            check_policy(name, resource, targets)
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


def check_policy(name: str, policy: dict, pods: list[dict]) -> None:
    """Name servers are asked wherever they are, and who must scrape may: Prometheus in another namespace; of routers an
    endpoint picker in this one."""
    names = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
    wanted = [{"port": port, "protocol": protocol} for port in (53, 5353) for protocol in ("UDP", "TCP")]
    expect(wanted in names, f"{name}: names are not asked wherever they are: {names}")
    rules = [rule for rule in policy["spec"]["ingress"] if {"port": "metrics"} in rule["ports"]]
    scrapers = [scraper for rule in rules for scraper in rule.get("from", [])]
    is_router = any(container["args"][0] == "router" for pod in pods for container in pod["containers"])
    kinds = [set(scraper) for scraper in scrapers if all(each["matchLabels"] for each in scraper.values())]
    expected = [{"namespaceSelector"}] + [{"podSelector"}] * is_router
    expect(kinds == expected, f"{name}: metrics are open to {scrapers}")


def check_route(name: str, route: dict, resources: list[dict], services: dict[str, dict]) -> None:
    """What it sends requests to is there, and the gateway sets no time to an answer."""
    pools = [each["metadata"]["name"] for each in resources if each["kind"] == "InferencePool"]
    for rule in route["spec"]["rules"]:
        check_matches(name, [(each["path"]["type"], each["path"]["value"]) for each in rule["matches"]])
        expect(rule["timeouts"] == {"request": "0s"}, f"{name}: the gateway ends long answers")
        for backend in rule["backendRefs"]:
            if backend.get("kind") == "InferencePool":
                expect(backend["name"] in pools, f"{name}: no pool {backend['name']}")
            else:
                offered = [offer["port"] for offer in services.get(backend["name"], {}).get("ports", [])]
                expect(backend["port"] in offered, f"{name}: no Service has {backend['name']}:{backend['port']}")


def check_matches(name: str, matches: list[tuple[str, str]]) -> None:
    """A route takes all that the router answers to who may ask models, and nothing else."""
    def takes(kind: str, value: str, path: str) -> bool:
        return path == value or kind == "PathPrefix" and path.startswith(value + "/")

    texts = [file.read_text() for file in (ROOT / "Sources/API").rglob("*Routes.swift")]
    texts.append((ROOT / "Sources/API/Description/OpenAPIDocument.swift").read_text())
    paths = [path for text in texts for path in re.findall(r'Route\("[A-Z]+", "([^"]+)", \.open\)', text)]
    expect(len(paths) > 30, f"{name}: {len(paths)} paths were found in Sources/API")
    missed = {path for path in paths if not any(takes(kind, value, path) for kind, value in matches)}
    expect(not missed, f"{name}: does not take {sorted(missed)}")
    idle = [value for kind, value in matches if not any(takes(kind, value, path) for path in paths)]
    expect(not idle, f"{name}: nothing answers {idle}")
    # What older versions of the API take in a rule.
    expect(len(matches) <= 8, f"{name}: {len(matches)} matches in a rule")


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
    known = [each["metadata"]["name"] for each in resources if each["kind"] == "TriggerAuthentication"]
    for trigger in spec.get("triggers", []):
        authentication = trigger.get("authenticationRef", {}).get("name")
        expect(authentication is None or authentication in known, f"{name}: no authentication {authentication}")
        if trigger["type"] == "prometheus":
            check_query(name, trigger["metadata"], namespace, resources)
            continue
        host, port = trigger["metadata"]["scalerAddress"].split(":")
        service, where = host.removesuffix(".svc").split(".")
        offered = [offer["port"] for offer in services.get(service, {}).get("ports", [])]
        expect(where == namespace and int(port) in offered, f"{name}: no Service is {host}:{port}")
        expected = expected_models(resources)
        expect(trigger["metadata"]["modelName"] in expected, f"{name}: the router expects {expected}")
        files = {each["spec"]["template"]["spec"]["containers"][0]["args"][1] for each in found}
        read = {one.split("=")[2] for one in router_flags(resources) if one.startswith("--expect-model=")}
        expect(files == read, f"{name}: workers have {files}, the router reads {read}")
        secured = any(each.startswith("--tls-cert=") for each in router_flags(resources))
        expect((authentication is not None) == secured, f"{name}: asks by TLS where the router has none, or the other way")


def router_flags(resources: list[dict]) -> list[str]:
    routers = [each for each in resources if each["kind"] == "Deployment"]
    return [one for each in routers for one in each["spec"]["template"]["spec"]["containers"][0]["args"]]


def expected_models(resources: list[dict]) -> list[str]:
    return [one.split("=")[1] for one in router_flags(resources) if one.startswith("--expect-model=")]


def check_query(name: str, trigger: dict, namespace: str, resources: list[dict]) -> None:
    """It asks for the largest of the routers' numbers, of this namespace and of a model that they expect."""
    query = re.fullmatch(r'max\(apus_desired_workers\{namespace="(.+)",model_name="(.+)"\}\)', trigger["query"])
    expect(query is not None, f"{name}: asks for {trigger['query']}")
    if query:
        expect(query[1] == namespace and query[2] in expected_models(resources), f"{name}: asks for {trigger['query']}")
    expect((trigger["threshold"], trigger["activationThreshold"]) == ("1", "0"), f"{name}: its number is not replicas")


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
