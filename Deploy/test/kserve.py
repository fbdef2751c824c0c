"""Deploy/kserve: does the runtime's container start, does a pod of it pass the restricted rules, does the service find it?

KServe's resources are checked by hand: no package brings their schemas.
"""

import pathlib
import re
import subprocess

import yaml

from checks import expect

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "kserve"


def load() -> tuple[dict, dict]:
    runtime, service = (yaml.safe_load((FOLDER / name).read_text()) for name in ("runtime.yaml", "inferenceservice.yaml"))
    return runtime, service


def check_shape(runtime: dict, service: dict) -> None:
    """Names and places as the contracts of both kinds have them."""
    expect((runtime["apiVersion"], runtime["kind"]) == ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"), "runtime")
    expect((service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService"), "service")
    known = {"annotations", "supportedModelFormats", "protocolVersions", "containers"}
    expect(set(runtime["spec"]) <= known, f"runtime: {set(runtime['spec']) - known}")
    expect([each["name"] for each in runtime["spec"]["containers"]] == ["kserve-container"], "runtime: container's name")
    expect(set(runtime["spec"]["protocolVersions"]) <= {"v1", "v2", "grpc-v1", "grpc-v2"}, "runtime: protocolVersions")
    model = service["spec"]["predictor"]["model"]
    expect(model["runtime"] == runtime["metadata"]["name"], f"service: there is no runtime {model['runtime']}")
    formats = [each["name"] for each in runtime["spec"]["supportedModelFormats"]]
    expect(model["modelFormat"]["name"] in formats, f"service: the runtime takes {formats}")


def pod(runtime: dict, service: dict) -> dict:
    """The pod that KServe makes of both: the runtime's containers, the predictor's other fields."""
    predictor = service["spec"]["predictor"]
    return {key: each for key, each in predictor.items() if key != "model"} | {"containers": runtime["spec"]["containers"]}


def check_container(runtime: dict, service: dict, apus: str, version: str) -> None:
    container = runtime["spec"]["containers"][0]
    command, file, *flags = container["args"]
    help_text = subprocess.run([apus, command, "--help"], capture_output=True, text=True).stdout
    given = dict(each.split("=", 1) for each in flags)
    for flag in given:
        expect(re.search(rf"^ *{flag} ", help_text, re.M) is not None, f"runtime: apus {command} has no {flag}")
    expect(file.startswith("/mnt/models/"), "runtime: KServe puts models below /mnt/models")
    expect(given["--name"] == "{{.Name}}" and given["--host"] == "0.0.0.0", "runtime: name and host")
    expect(given["--http-port"] == "8080" and given["--grpc-port"] == "9000", "runtime: KServe's ports")
    expect([each["containerPort"] for each in container["ports"]] == [8080], "runtime: one port, as Knative wants it")
    admin = re.search(r"--admin-port .*?\(default:\s+(\d+)\)", help_text, re.S)
    expect(admin is not None and runtime["spec"]["annotations"]["prometheus.kserve.io/port"] == admin[1], "runtime: metrics")
    for probe, path in (("startupProbe", "ready"), ("livenessProbe", "live"), ("readinessProbe", "ready")):
        expect(container[probe]["httpGet"] == {"path": f"/v2/health/{path}", "port": 8080}, f"runtime: {probe}")
    longest = re.search(r"--request-timeout .*?\(default:\s+(\d+)\)", help_text, re.S)
    allowed = float(given.get("--request-timeout", longest[1] if longest else "inf"))
    expect(float(given["--drain-timeout"]) >= allowed, f"runtime: cuts streams off that may take {allowed} s")
    grace, sleep = service["spec"]["predictor"]["terminationGracePeriodSeconds"], container.get("lifecycle", {})
    expect(sleep == {"preStop": {"sleep": {"seconds": 5}}}, "runtime: gets requests after it is told to stop")
    stop = 5 + float(given["--drain-timeout"]) + 5
    expect(grace >= stop, f"service: is killed after {grace} s, before {stop} s")
    hung = container["livenessProbe"].get("terminationGracePeriodSeconds", grace)
    expect(hung <= 30, f"runtime: where it hangs, it is waited for {hung} s")
    expect(given.get("--connection-share") == "1", "runtime: the gateway's address is taken for one client's")
    expect(container["image"] == f"apus:{version}", f"runtime: image {container['image']}")
