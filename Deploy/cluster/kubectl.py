"""A namespace of a cluster, as kubectl sees it."""

import json
import subprocess
import time


class Failure(Exception):
    """What did not happen, as a sentence."""


def wait_until(what: str, condition, seconds: float = 120) -> float:
    """How long it took. An API server that does not answer meanwhile is asked again."""
    began = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - began
            said = ""
        except Failure as failure:
            said = f" ({failure})"
        if time.monotonic() - began > seconds:
            raise Failure(f"{what}: not within {seconds:.0f} s{said}")
        time.sleep(0.5)


class Namespace:
    def __init__(self, name: str):
        self.name = name

    def attempt(self, *arguments: str, text: str | None = None, seconds: float = 300) -> subprocess.CompletedProcess:
        command = ["kubectl", "--namespace", self.name, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds)

    def run(self, *arguments: str, text: str | None = None, seconds: float = 300) -> str:
        result = self.attempt(*arguments, text=text, seconds=seconds)
        if result.returncode != 0:
            raise Failure(f"kubectl {' '.join(arguments)[:200]}: {(result.stderr or result.stdout).strip()[-2000:]}")
        return result.stdout

    def get(self, *arguments: str) -> dict:
        return json.loads(self.run("get", *arguments, "--output=json"))

    def apply(self, resources: list[dict], *flags: str) -> subprocess.CompletedProcess:
        """Server-side, strictly: a field that the API server does not know is an error, and what the namespace's pod
        security standard would say against a pod is one, too."""
        return self.attempt(
            "apply", "--server-side", "--validate=strict", "--warnings-as-errors", *flags, "--filename=-",
            text=json.dumps({"apiVersion": "v1", "kind": "List", "items": resources}))

    def pods(self, name: str) -> list[dict]:
        """Those of `app.kubernetes.io/name` that are not about to go."""
        found = self.get("pods", f"--selector=app.kubernetes.io/name={name}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, name: str) -> list[str]:
        return [
            pod["metadata"]["name"] for pod in self.pods(name)
            if any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))
        ]

    def restarts(self, name: str) -> int:
        return sum(
            status["restartCount"] for pod in self.pods(name) for status in pod["status"].get("containerStatuses", []))

    def metric(self, pod: str, name: str) -> float:
        """The sum of a router's series of this name, by the scheme that its probes have."""
        probe = self.get("pod", pod)["spec"]["containers"][0]["livenessProbe"]["httpGet"]
        scheme = probe.get("scheme", "HTTP").lower()
        text = self.run("get", "--raw", f"/api/v1/namespaces/{self.name}/pods/{scheme}:{pod}:8002/proxy/metrics")
        series = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith((name + "{", name + " "))]
        return sum(float(value) for _, value in series)

    def in_pod(self, pod: str, *command: str, text: str | None = None) -> str:
        stdin = () if text is None else ("--stdin",)
        return self.run("exec", pod, *stdin, "--", *command, text=text)
