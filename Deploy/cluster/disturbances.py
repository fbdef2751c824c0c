"""What happens to a cluster of Apus in its life, each done while clients ask."""

import json
import subprocess
import time

from kubectl import Failure, Namespace, wait_until

WORKERS, ROUTERS = "apus-worker", "apus-router"
# Between two strikes, so that streams run on what the first one left.
PAUSE_SECONDS = 3
API_STOP_SECONDS = 30
# The pod's processes see each other.
SIGNAL = 'for each in /proc/[0-9]*; do if [ "$(cat $each/comm)" = apus ]; then kill -$0 ${each#/proc/}; fi; done'


class Disturbances:
    def __init__(self, namespace: Namespace, options):
        self.namespace, self.options = namespace, options

    def settled(self, workers: int = 2) -> None:
        """As many workers as there should be, known to every router."""
        wait_until(f"{workers} workers are ready", lambda: len(self.namespace.ready(WORKERS)) == workers, 300)

        def known() -> bool:
            routers = self.namespace.ready(ROUTERS)
            return routers and all(
                self.namespace.metric(router, "vllm:healthy_pods_total") == workers for router in routers)

        wait_until(f"routers know {workers} workers", known)

    def moved(self) -> float:
        """Streams that went on at another worker, since the routers of now began."""
        routers = self.namespace.ready(ROUTERS)
        return sum(self.namespace.metric(router, "apus_sequence_moves_total") for router in routers)

    def kill_workers(self) -> str:
        """Each worker's process in turn, without a word."""
        for worker in self.namespace.ready(WORKERS):
            self.strike(WORKERS, worker, "KILL")
            self.settled()
            time.sleep(PAUSE_SECONDS)
        return "2 killed"

    def hang_worker(self) -> str:
        seconds = self.strike(WORKERS, self.namespace.ready(WORKERS)[0], "STOP")
        self.settled()
        return f"started again after {seconds:.0f} s"

    def hang_router(self) -> str:
        """Its streams hang, too, so that no clients are counted."""
        seconds = self.strike(ROUTERS, self.namespace.ready(ROUTERS)[0], "STOP")
        self.settled()
        return f"started again after {seconds:.0f} s"

    def strike(self, name: str, pod: str, signal: str) -> float:
        """After how many seconds the container has been started again."""
        restarts = self.namespace.restarts(name)
        self.namespace.in_pod(pod, "sh", "-c", SIGNAL, signal)
        return wait_until(f"{pod} is started again", lambda: self.namespace.restarts(name) > restarts, 300)

    def delete_workers(self) -> str:
        for worker in self.namespace.ready(WORKERS):
            self.namespace.run("delete", "pod", worker, "--force", "--grace-period=0")
            self.settled()
            time.sleep(PAUSE_SECONDS)
        return "2 deleted"

    def restart_workers(self) -> str:
        return self.roll(f"statefulset/{WORKERS}")

    def restart_routers(self) -> str:
        return self.roll(f"deployment/{ROUTERS}")

    def roll(self, what: str) -> str:
        began = time.monotonic()
        self.namespace.run("rollout", "restart", what)
        self.namespace.run("rollout", "status", what, "--timeout=600s", seconds=620)
        self.settled()
        time.sleep(PAUSE_SECONDS)
        return f"rolled in {time.monotonic() - began:.0f} s"

    def scale(self) -> str:
        for replicas in (1, 3, 1, 2):
            self.namespace.run("scale", f"statefulset/{WORKERS}", f"--replicas={replicas}")
            self.settled(replicas)
            time.sleep(PAUSE_SECONDS)
        return "2, 1, 3, 1, 2 workers"

    def evict(self) -> str:
        """As `kubectl drain` does: at once for all workers, of which the budget lets one go."""
        workers = self.namespace.ready(WORKERS)
        refused = 0
        for worker in workers:
            while not self.evicted(worker):
                refused += 1
                time.sleep(1)
        self.settled()
        if not refused:
            raise Failure("the budget let all workers go at once")
        return f"{len(workers)} evicted, {refused} times refused by the budget"

    def evicted(self, pod: str) -> bool:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{self.namespace.name}/pods/{pod}/eviction"
        result = self.namespace.attempt("create", "--raw", path, "--filename=-", text=json.dumps(eviction))
        if result.returncode != 0 and "disruption budget" not in result.stderr:
            raise Failure(f"evicting {pod}: {result.stderr.strip()}")
        return result.returncode == 0

    def stop_api_server(self) -> str:
        """Routers go on with the workers that they know."""
        subprocess.run(self.options.stop_api, shell=True, check=True)
        try:
            time.sleep(API_STOP_SECONDS)
        finally:
            subprocess.run(self.options.start_api, shell=True, check=True)
        wait_until("the API server is back", lambda: self.namespace.run("get", "--raw", "/readyz"))
        self.settled()
        return f"away for {API_STOP_SECONDS} s"
