#!/usr/bin/env python3
"""Runs Deploy/kustomize and Deploy/helm on the cluster that kubectl speaks to, in a namespace that is made for it and goes with
it: does the API server take everything, do routers find workers, and does any client notice when pods die, roll, scale or
are evicted?

    python3 Deploy/cluster/cluster.py --image REGISTRY/apus:0.1.0 [--access-mode ReadWriteOnce] [--only NAME] [--keep]

Needs kubectl, PyYAML, the rights of a namespace's owner and for roles in it; with `helm` the chart is checked too. Nodes must
have the image, and one of Python for the pod that asks (--client-image). Exits with 1 when something did not hold.
"""

import argparse
import datetime
import json
import subprocess
import sys
import time

import objects
from disturbances import ROUTERS, WORKERS, Disturbances
from kubectl import Failure, Namespace, wait_until

MODEL = objects.ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"
PAGE = objects.ROOT / "Docs/kubernetes.md"
START, END = "<!-- figures: make cluster-check CLUSTER_FLAGS=--write -->\n", "<!-- end of figures -->"
# Kubernetes' own: what is of other groups needs their definitions in the cluster.
COMPONENTS = ["endpoint-slices", "networkpolicy", "two-routers"]
# Certificates on the link and on the ports of probes.
CLOSED = ["endpoint-slices", "mtls", "tls-admin"]


class Check:
    def __init__(self, options):
        self.options = options
        self.namespace = Namespace(options.namespace)
        self.disturbances = Disturbances(self.namespace, options)
        self.failures: list[str] = []
        self.rows: list[tuple[str, ...]] = []
        self.loads = 0

    def step(self, name: str, action) -> None:
        """One check, by name; the next ones are tried after it fails."""
        if self.options.only and self.options.only not in name:
            return
        began = time.monotonic()
        try:
            said = action()
        except (Failure, subprocess.SubprocessError) as failure:
            self.failures.append(name)
            said = f"FAILED: {failure}"
        print(f"{time.monotonic() - began:6.1f} s  {name}: {said}", flush=True)

    def under_load(self, name: str, disturb, moves: bool = False) -> None:
        self.step(name, lambda: self.load(name, disturb, moves))

    def load(self, name: str, disturb, moves: bool) -> str:
        """Clients ask while something happens, and must get what they get when nothing does. With `moves` it strikes streams,
        so that some must have gone on at another worker, or nothing was shown."""
        self.disturbances.settled()
        moved = self.disturbances.moved() if moves else 0
        self.loads += 1
        label = f"load-{self.loads}"
        command = f"python3 /check/load.py run apus default {label} >/tmp/{label}.log 2>&1 </dev/null &"
        self.namespace.in_pod(objects.CLIENT, "sh", "-c", command)
        try:
            time.sleep(3)
            said = disturb()
        finally:
            self.namespace.in_pod(objects.CLIENT, "touch", f"/tmp/{label}.stop")
        wait_until("clients end", lambda: self.namespace.in_pod(objects.CLIENT, "ls", f"/tmp/{label}.json"))
        seen = json.loads(self.namespace.in_pod(objects.CLIENT, "cat", f"/tmp/{label}.json"))
        errors, differing = seen["errors"], seen["differing"]
        moved = f"{self.disturbances.moved() - moved:.0f}" if moves else "-"
        pause = f"{seen['longest_gap']:.1f} s"
        self.rows.append((name, said, str(seen["requests"]), str(len(errors)), str(len(differing)), moved, pause))
        said += f"; {seen['requests']} requests, {len(errors)} failed, {len(differing)} answered differently, {moved} moved"
        if errors or differing or not seen["requests"] or moved == "0":
            raise Failure(f"{said}; {errors[:3]} {differing[:3]}")
        return f"{said}, longest pause {pause}"

    def accepted(self) -> str:
        """Everything that the manifests can say, without keeping it. Kinds that the cluster does not have are left out."""
        served = set(self.namespace.run("api-versions").split())
        objects_count, missing = 0, set()
        variants = objects.variants()
        for name, resources in variants.items():
            known = [each for each in resources if each["apiVersion"] in served]
            missing |= {each["apiVersion"] for each in resources} - served
            here = objects.in_namespace(known, self.namespace.name)
            result = self.namespace.apply(here, "--dry-run=server", "--field-manager=dry")
            if result.returncode != 0:
                raise Failure(f"{name}: {result.stderr.strip()}")
            objects_count += len(here)
        left = f"; not in this cluster: {', '.join(sorted(missing))}" if missing else ""
        return f"{objects_count} objects of {len(variants)} variants{left}"

    def install(self, resources: list[dict]) -> str:
        claims = [each for each in resources if each["kind"] == "PersistentVolumeClaim"]
        self.apply(claims + objects.clients(self.options) + objects.secrets())
        self.namespace.run("wait", "--for=condition=Ready", f"pod/{objects.CLIENT}", "--timeout=300s", seconds=320)
        self.fill()
        self.apply([each for each in resources if each not in claims])
        began = time.monotonic()
        self.disturbances.settled()
        return f"routers know their workers after {time.monotonic() - began:.0f} s"

    def apply(self, resources: list[dict]) -> None:
        result = self.namespace.apply(resources)
        if result.returncode != 0:
            raise Failure(result.stderr.strip())

    def fill(self) -> None:
        """The model into the volume, where it is not there yet."""
        there = self.namespace.attempt("exec", objects.CLIENT, "--", "ls", "/models/model.gguf").returncode == 0
        if there:
            return
        with open(self.options.model, "rb") as file:
            command = ["kubectl", "--namespace", self.namespace.name, "exec", "--stdin", objects.CLIENT, "--", "sh", "-c",
                       "cat >/models/model.part && mv /models/model.part /models/model.gguf"]
            subprocess.run(command, stdin=file, check=True, timeout=900)

    def ask(self) -> str:
        """The answers of a cluster that nothing disturbs."""
        seen = json.loads(self.namespace.in_pod(
            objects.CLIENT, "python3", "/check/load.py", "reference", "apus", "default"))
        if seen["errors"]:
            raise Failure(f"{len(seen['errors'])} of {seen['requests']} requests failed: {seen['errors'][0]}")
        if seen["pieces"] < 4:
            raise Failure(f"a stream came in {seen['pieces']} pieces")
        return f"{seen['requests']} requests, {seen['streams']} of them streams of {seen['pieces']} pieces or more"

    def rights(self) -> str:
        """A router may list endpoints, and nothing else that is worth having."""
        account = f"--as=system:serviceaccount:{self.namespace.name}:apus-router"

        def may(*what: str) -> bool:
            return self.namespace.attempt("auth", "can-i", *what, account).returncode == 0

        if not may("watch", "endpointslices.discovery.k8s.io"):
            raise Failure("it may not watch EndpointSlices")
        more = [what for what in ("list secrets", "list pods", "create pods", "get configmaps") if may(*what.split())]
        if more or may("list", "endpointslices.discovery.k8s.io", "--namespace=kube-system"):
            raise Failure(f"it may do more than watch its own namespace's EndpointSlices: {more}")
        return "EndpointSlices of its namespace, no secrets, no pods"

    def remove(self, resources: list[dict]) -> str:
        """All but the volume, the model and the clients."""
        kept = ("PersistentVolumeClaim",)
        named = [f"{each['kind']}.{each['apiVersion'].partition('/')[0]}/{each['metadata']['name']}"
                 if "/" in each["apiVersion"] else f"{each['kind']}/{each['metadata']['name']}"
                 for each in resources if each["kind"] not in kept]
        self.namespace.run("delete", "--wait=false", *named)
        seconds = wait_until("pods end", lambda: not self.pods_left(), 120)
        return f"pods ended in {seconds:.0f} s"

    def pods_left(self) -> bool:
        selector = f"--selector=app.kubernetes.io/name in ({ROUTERS}, {WORKERS})"
        return bool(self.namespace.get("pods", selector)["items"])

    def run(self) -> None:
        self.step("accepted", self.accepted)
        full = objects.installed(self.options, COMPONENTS)
        self.step("installed with " + ", ".join(COMPONENTS), lambda: self.install(full))
        self.step("asked", self.ask)
        self.step("rights", self.rights)
        does = self.disturbances
        self.under_load("workers killed", does.kill_workers, moves=True)
        self.under_load("workers' pods deleted by force", does.delete_workers, moves=True)
        self.under_load("workers restarted by a rollout", does.restart_workers, moves=True)
        self.under_load("workers scaled", does.scale, moves=True)
        self.under_load("workers evicted", does.evict, moves=True)
        self.under_load("a worker hangs", does.hang_worker, moves=True)
        self.under_load("routers restarted by a rollout", does.restart_routers)
        if self.options.stop_api:
            self.under_load("API server away", does.stop_api_server)
        self.step("a router hangs", does.hang_router)
        self.step("removed", lambda: self.remove(full))

        closed = objects.installed(self.options, CLOSED)
        self.step(f"installed with certificates ({', '.join(CLOSED)})", lambda: self.install(closed))
        self.step("asked with certificates", self.ask)
        self.under_load("workers with certificates restarted by a rollout", does.restart_workers, moves=True)
        self.step("removed with certificates", lambda: self.remove(closed))

        plain = objects.installed(self.options, [])
        self.step("installed without components (DNS)", lambda: self.install(plain))
        self.step("asked without components", self.ask)
        self.under_load("router restarted by a rollout", does.restart_routers)
        self.under_load("workers restarted by a rollout, found by DNS", does.restart_workers, moves=True)
        self.step("removed without components", lambda: self.remove(plain))
        if objects.chart.find_helm():
            helms = objects.installed_by_helm(self.options)
            self.step("installed as the chart renders it", lambda: self.install(helms))
            self.step("asked of the chart", self.ask)
            self.step("removed of the chart", lambda: self.remove(helms))


def described(namespace: Namespace) -> str:
    """What answers, in words."""
    version = json.loads(namespace.run("version", "--output=json"))["serverVersion"]["gitVersion"]
    nodes = [each["status"] for each in namespace.get("nodes")["items"]]
    runtimes = {f"{each['nodeInfo']['containerRuntimeVersion']}, Linux {each['nodeInfo']['kernelVersion']}" for each in nodes}
    cores = sum(int(each["capacity"]["cpu"]) for each in nodes)
    return f"Kubernetes {version}, {len(nodes)} node(s) with {cores} cores in all ({'; '.join(sorted(runtimes))})"


def write(cluster: str, rows: list[tuple[str, ...]]) -> None:
    head, rest = PAGE.read_text().split(START)
    lines = [
        f"{datetime.date.today()}, {cluster}:", "",
        "| while clients asked | what happened | requests | failed | answered differently | streams moved | longest pause |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |", *(f"| {' | '.join(row)} |" for row in rows)]
    PAGE.write_text(head + START + "\n".join(lines) + "\n" + END + rest.split(END)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--namespace", default="apus-check")
    parser.add_argument("--image", default="apus:0.1.0")
    parser.add_argument("--client-image", default="python:3-slim")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--storage-class", default="")
    parser.add_argument("--access-mode", default="ReadWriteMany", help="ReadWriteOnce on a cluster of one node")
    parser.add_argument("--worker-cpu", default="1")
    parser.add_argument("--worker-memory", default="1Gi")
    parser.add_argument("--only", help="steps with this in their names, in a namespace that --keep left")
    parser.add_argument("--keep", action="store_true", help="leave the namespace as it is in the end")
    parser.add_argument("--write", action="store_true", help="write the figures into Docs/kubernetes.md")
    parser.add_argument("--stop-api", help="command that takes the API server away")
    parser.add_argument("--start-api", help="command that brings it back")
    options = parser.parse_args()
    if bool(options.stop_api) != bool(options.start_api):
        parser.error("--stop-api and --start-api go together")
    if options.write and options.only:
        parser.error("--write is of all steps")

    check = Check(options)
    exists = check.namespace.attempt("get", "namespace", options.namespace).returncode == 0
    if exists and not options.only:
        sys.exit(f"There is a namespace {options.namespace} already: it is not touched. Another one: --namespace")
    cluster = described(check.namespace)
    print(cluster, flush=True)
    try:
        if not exists:
            check.apply([objects.namespace(options.namespace)])
        check.run()
    finally:
        if not options.keep:
            check.namespace.run("delete", "namespace", options.namespace, seconds=900)
    if check.failures:
        sys.exit(f"{len(check.failures)} failed: {', '.join(check.failures)}")
    if options.write:
        write(cluster, check.rows)
    print("all held")


if __name__ == "__main__":
    main()
