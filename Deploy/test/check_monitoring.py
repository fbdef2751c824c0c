#!/usr/bin/env python3
"""Checks Deploy/monitoring with a real Prometheus: the alert rules by their tests, then a router, two workers and a load,
scraped; every query of every dashboard must have an answer, and the counters must say what the clients got.

    python3 Deploy/test/check_monitoring.py APUS MODEL.gguf [FOLDER]      FOLDER: of prometheus and promtool
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import metrics
from checks import conclude, expect, free_port

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "monitoring"


def get(url: str, body: dict | None = None, headers: dict | None = None) -> bytes:
    request = urllib.request.Request(
        url, body and json.dumps(body).encode(), {"content-type": "application/json"} | (headers or {}))
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def wait_for(what: str, holds, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError, IndexError):
            if holds():
                return
        time.sleep(0.2)
    sys.exit(f"there is no {what} after {seconds:.0f} s")


class Prometheus:
    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}/api/v1/query?"

    def query(self, text: str) -> list[float]:
        answer = json.loads(get(self.base + urllib.parse.urlencode({"query": text})))
        return [float(each["value"][1]) for each in answer["data"]["result"]]

    def total(self, text: str) -> float:
        return sum(self.query(text))


def check_rules() -> None:
    subprocess.run(["promtool", "check", "rules", FOLDER / "alerts.yaml"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["promtool", "test", "rules", FOLDER / "alerts_test.yaml"], check=True, stdout=subprocess.DEVNULL)
    alerts = re.findall(r"alert: (\w+)\n", (FOLDER / "alerts.yaml").read_text())
    tested = set(re.findall(r"alertname: (\w+)\n", (FOLDER / "alerts_test.yaml").read_text()))
    anchors = set(re.findall(r"runbooks.md#(\w+)", (FOLDER / "alerts.yaml").read_text()))
    runbooks = (FOLDER.parents[1] / "Docs/runbooks.md").read_text()
    titles = {title.lower() for title in re.findall(r"^## (\w+)$", runbooks, re.M)}
    expect(set(alerts) <= tested, f"no test fires {set(alerts) - tested}")
    expect(anchors <= titles, f"Docs/runbooks.md does not have {anchors - titles}")


def together(client, count: int) -> None:
    """Runs so many clients, each told its number, until all have ended."""
    threads = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def load(api: str, count: int) -> dict[str, int]:
    """Requests of some kinds, one after the other in each of four threads. What the clients got of them."""
    got = {"requests": 0, "prompt": 0, "output": 0, "refused": 0}
    lock = threading.Lock()

    def client(number: int) -> None:
        for turn in range(count):
            body = {
                "model": "m", "prompt": f"Story {number}: once upon a time, once upon a time, " * 4, "max_tokens": 12,
                "seed": turn, "temperature": 0,
            }
            usage = json.loads(get(f"{api}/v1/completions", body, {"x-tenant": f"t{number % 2}"}))["usage"]
            with lock:
                got["requests"] += 1
                got["prompt"] += usage["prompt_tokens"]
                got["output"] += usage["completion_tokens"]
        with contextlib.suppress(urllib.error.HTTPError):
            get(f"{api}/v1/completions", {"model": "nobody", "prompt": "a"})
        with lock:
            got["refused"] += 1

    together(client, 4)
    return got


def check_counters(prometheus: Prometheus, got: dict[str, int]) -> None:
    for query, wanted in [
        ('vllm:num_incoming_requests_total{engine="router"}', got["requests"]),
        ('vllm:request_success_total{engine="router"}', got["requests"]),
        ('vllm:prompt_tokens_total{engine="router"}', got["prompt"]),
        ('vllm:prompt_tokens_total{engine="worker"}', got["prompt"]),
        ('vllm:generation_tokens_total{engine="router"}', got["output"]),
        ('vllm:generation_tokens_total{engine="worker"}', got["output"]),
        ("apus_tenant_requests_total", got["requests"]),
        ('apus_tenant_requests_total{tenant="t0"}', got["requests"] // 2),
        ('apus_tenant_tokens_total{kind="prompt"}', got["prompt"]),
        ('apus_tenant_tokens_total{kind="output"}', got["output"]),
        ("apus_tenant_queue_seconds_count", got["requests"]),
        ("apus_slo_requests_total", got["requests"]),
        ('vllm:time_to_first_token_seconds_count{engine="router"}', got["requests"]),
        ('apus_http_requests_total{route="/v1/completions",status="200"}', got["requests"]),
        ('apus_http_requests_total{route="/v1/completions",status="404"}', got["refused"]),
    ]:
        value = prometheus.total(query)
        expect(value == wanted, f"{query} is {value:g}, clients counted {wanted}")


def check_dashboards(prometheus: Prometheus) -> None:
    subprocess.run([sys.executable, FOLDER / "dashboards.py", "--check"], check=True)
    for file in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "1m").replace("$model", ".*").replace("$tenant", ".*")
                values = prometheus.query(query)
                expect(any(value == value for value in values), f"{file.name}: {panel['title']}: no data: {query}")


def check_contract(prometheus: Prometheus) -> None:
    """What Docs/kubernetes.md promises to endpoint pickers of the Gateway API inference extension, each router has."""
    section = (FOLDER.parents[1] / "Docs/kubernetes.md").read_text().split("## Behind a Gateway")[1].split("\n## ")[0]
    names = re.findall(r"\| `(vllm:\w+)` \|", section)
    expect(len(names) == 4, f"Docs/kubernetes.md promises {names}")
    for name in names:
        values = prometheus.query(f'{name}{{engine="router",model_name="m"}}')
        expect(len(values) == 1, f"the router has {len(values)} series of {name}")


def check_format(process: str, text: str) -> None:
    """promtool finds nothing wrong with what a process tells, but for names that are vLLM's and Triton's; and they are
    those that Docs/metrics.md says such a process has."""
    told, written = set(re.findall(r"^# TYPE (\S+)", text, re.M)), metrics.names(process)
    expect(told <= written, f"Docs/metrics.md does not say that a {process} has {told - written}")
    # What counts texts, drafts, aliases, tenants or traces appears with them.
    expect(len(told) > len(written) / 2, f"a {process} has {len(told)} of {len(written)} metrics")
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    wrong = [line for line in result.stderr.splitlines() if not re.match(r"(vllm:|nv_inference_)", line)]
    expect(result.returncode in (0, 3) and not wrong, f"promtool on a {process}'s metrics: {wrong}")


def check_labels(prometheus: Prometheus) -> None:
    """Each value of a label that an alert asks for is one that some series has."""
    rules = (FOLDER / "alerts.yaml").read_text()
    count = 0
    for name, inside in re.findall(r"([\w:]*)\{(\w+=[^}]*)\}", rules.replace("{{", "").replace("}}", "")):
        matchers = re.findall(r'(\w+)=(~?)"([^"]*)"', inside)
        name = name or dict((label, value) for label, _, value in matchers)["__name__"]
        for label, _, values in matchers:
            for value in values.split("|") if label != "__name__" else []:
                count += 1
                expect(prometheus.query(f'{{__name__="{name}",{label}="{value}"}}') != [],
                       f"alerts.yaml: no {name} has {label}={value}")
    expect(count > 10, f"alerts.yaml: {count} labels were found")


def overload(api: str) -> dict[str, int]:
    """More at once than may wait, twice: nothing has moved yet at the first time. Answers are so long that some wait for
    over a second on fast machines too: what moves faster has no measured speed. How often each code was the answer."""
    got: dict[str, int] = {}
    lock = threading.Lock()

    def client(number: int) -> None:
        code = "none"
        try:
            get(f"{api}/v1/completions", {"model": "m", "prompt": f"{number}", "max_tokens": 128, "ignore_eos": True})
        except urllib.error.HTTPError as error:
            code = json.loads(error.read())["error"]["code"]
        with lock:
            got[code] = got.get(code, 0) + 1

    for _ in range(2):
        together(client, 48)
    return got


def check_refusals(prometheus: Prometheus, port: int, got: dict[str, int]) -> None:
    """What clients of an overloaded router were told is what it counted, and alerts."""
    expect(got.keys() == {"none", "queue_full", "queue_slow"}, f"an overloaded router answered {got}")
    for code in ("queue_full", "queue_slow"):
        query = f'apus_requests_rejected_total{{reason="{code}",instance="127.0.0.1:{port}"}}'
        value = prometheus.total(query)
        expect(value == got.get(code), f"{query} is {value:g}, clients counted {got.get(code)}")
        alert = f'ALERTS{{alertname="ApusRefuses",reason="{code}"}}'
        expect(len(prometheus.query(alert)) == 1, f"there is no {alert}")


def check_scaling(prometheus: Prometheus, api: str) -> None:
    """A request that waits in one router for a model without workers is in what autoscalers ask Prometheus: the query of
    components/two-routers, and the rule for the adapter of components/hpa."""
    components = FOLDER.parent / "kustomize/components"
    patch = (components / "two-routers/scaledobject.yaml").read_text()
    query = re.search(r"^ +query: (.+)$", patch, re.M)[1].replace('"default"', '"cold"')
    described = (components / "hpa/kustomization.yaml").read_text()
    rule = re.search(r"^# +metricsQuery: (.+)$", described, re.M)[1]
    # The adapter asks for the autoscaler's own namespace by the label that stands for it.
    namespace = re.search(r"^# +resources: \{overrides: \{(\w+): \{resource: namespace\}\}\}$", described, re.M)
    expect(namespace is not None, "the adapter's rule does not tell namespaces apart")
    matcher = f'{namespace[1]}="%s",' if namespace else "%.0s"
    adapted, other = (
        rule.replace("<<.LabelMatchers>>", matcher % where + 'model_name="cold"') for where in ("apus", "other"))
    wait_for("scrape of the cold model", lambda: prometheus.query(query) == prometheus.query(adapted) == [0])

    def client() -> None:
        with contextlib.suppress(OSError):
            get(f"{api}/v1/completions", {"model": "cold", "prompt": "a"})

    threading.Thread(target=client, daemon=True).start()
    wait_for("wish for a worker", lambda: prometheus.query(query) == prometheus.query(adapted) == [1])
    expect(prometheus.query(other) == [], "the adapter's rule asks for another namespace's workers")


def main() -> None:
    apus, model = sys.argv[1:3]
    if len(sys.argv) > 3:
        os.environ["PATH"] = f"{pathlib.Path(sys.argv[3]).resolve()}:{os.environ['PATH']}"
    check_rules()
    api, admin, link, scraper = free_port(), free_port(), [free_port(), free_port()], free_port()
    observed, small_api, small_admin = [free_port(), free_port()], free_port(), free_port()
    with contextlib.ExitStack() as stack:
        def start(*command: str) -> None:
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(process.terminate)

        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for port, measured in zip(link, observed):
            start(apus, "worker", model, "--name=m", "--slots=4", f"--port={port}", f"--metrics-port={measured}")
        workers = "--worker-address=" + ",".join(f"127.0.0.1:{port}" for port in link)
        start(
            apus, "router", f"--http-port={api}", "--grpc-port=0", f"--admin-port={admin}", "--tenant-header=x-tenant",
            workers)
        targets = ",".join(f"'127.0.0.1:{port}'" for port in [admin, *observed, small_admin])
        (folder / "prometheus.yaml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: ['{FOLDER / 'alerts.yaml'}']\n"
            "scrape_configs: [{job_name: apus, static_configs: "
            f"[{{targets: [{targets}], labels: {{namespace: apus}}}}]}}]\n")
        start(
            "prometheus", f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{scraper}")
        prometheus = Prometheus(scraper)
        wait_for("cluster", lambda: prometheus.total('apus_workers{state="ready"}') == 2)
        wait_for("scrape of every process", lambda: prometheus.total("up") == 3)
        for accept in ("text/plain", "application/openmetrics-text"):
            text = get(f"http://127.0.0.1:{admin}/metrics", headers={"accept": accept}).decode()
            expect(text.rstrip().endswith("# EOF") == ("openmetrics" in accept), f"{accept} is not what is answered")
        check_labels(prometheus)

        # Twice: series of tenants come with their first request, and what a fast machine answers between two scrapes has
        # no rate before it was scraped and more was added.
        got = collections.Counter()
        for turns in (1, 6):
            got.update(load(f"http://127.0.0.1:{api}", turns))
            wait_for(
                "scrape after the load",
                lambda: prometheus.total('vllm:request_success_total{engine="router"}') == got["requests"])
        time.sleep(2.5)
        check_counters(prometheus, got)
        check_dashboards(prometheus)
        check_contract(prometheus)
        for process, port in (("router", admin), ("worker", observed[0])):
            check_format(process, get(f"http://127.0.0.1:{port}/metrics").decode())

        start(
            apus, "router", f"--http-port={small_api}", "--grpc-port=0", f"--admin-port={small_admin}",
            "--queue-limit=24", "--queue-wait=0.01", f"--expect-model=cold={model}", workers)
        ready = f'apus_workers{{state="ready",instance="127.0.0.1:{small_admin}"}}'
        wait_for("second router", lambda: prometheus.total(ready) == 2)
        got = overload(f"http://127.0.0.1:{small_api}")
        time.sleep(3)
        check_refusals(prometheus, small_admin, got)
        check_scaling(prometheus, f"http://127.0.0.1:{small_api}")

    conclude()


if __name__ == "__main__":
    main()
