"""Network namespaces, one for a worker, so that its network can be broken without touching the machine's."""

import os
import shutil
import subprocess


def shell(*command, text=None):
    done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def what_is_missing():
    """Why there can be no namespaces here; None when there can."""
    if os.geteuid() != 0:
        return "network faults need root"
    for tool, package in (("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables")):
        if not shutil.which(tool):
            return f"network faults need {tool} (package {package})"
    probe = f"apus-{os.getpid()}-probe"
    try:
        shell("ip", "netns", "add", probe)
        shell("ip", "netns", "exec", probe, "nft", "add table inet apus")
        shell("ip", "netns", "delete", probe)
    except OSError as error:
        return f"network faults need namespaces and nftables: {error}"
    return None


class Network:
    """A pair of virtual interfaces between here and a namespace; each fault lasts until `heal`."""

    def __init__(self, index):
        self.name = f"apus-{os.getpid()}-{index}"
        self.link = f"apus{os.getpid() % 100000}.{index}"
        subnet = f"10.{200 + os.getpid() % 50}.{index}"
        self.worker_host = f"{subnet}.2"
        self.prefix = ("ip", "netns", "exec", self.name)
        shell("ip", "netns", "add", self.name)
        shell("ip", "link", "add", self.link, "type", "veth", "peer", "name", "worker0", "netns", self.name)
        shell("ip", "address", "add", f"{subnet}.1/24", "dev", self.link)
        shell("ip", "link", "set", self.link, "up")
        self.inside("ip", "address", "add", f"{self.worker_host}/24", "dev", "worker0")
        self.inside("ip", "link", "set", "worker0", "up")
        self.inside("ip", "link", "set", "lo", "up")

    def inside(self, *command, text=None):
        shell(*self.prefix, *command, text=text)

    def filter(self, rule):
        """Every packet in and out meets the rule."""
        chains = "".join(
            f"chain {hook} {{ type filter hook {hook} priority 0; {rule}; }}\n" for hook in ("input", "output")
        )
        self.inside("nft", "-f", "-", text=f"table inet apus {{\n{chains}}}\n")

    def black_hole(self):
        self.filter("drop")

    def lose(self, percent):
        self.filter(f"numgen random mod 100 < {percent} drop")

    def reset(self, port):
        """Every packet to the worker is answered with a reset."""
        chain = f"chain input {{ type filter hook input priority 0; tcp dport {port} reject with tcp reset; }}\n"
        self.inside("nft", "-f", "-", text=f"table inet apus {{\n{chain}}}\n")

    def slow_down(self, rate):
        """Both directions get so many bits a second, and half a second of queue."""
        shaper = ("root", "tbf", "rate", rate, "burst", "4kb", "latency", "500ms")
        self.inside("tc", "qdisc", "add", "dev", "worker0", *shaper)
        shell("tc", "qdisc", "add", "dev", self.link, *shaper)

    def heal(self):
        for command in (
            (*self.prefix, "nft", "delete", "table", "inet", "apus"),
            (*self.prefix, "tc", "qdisc", "del", "dev", "worker0", "root"),
            ("tc", "qdisc", "del", "dev", self.link, "root"),
        ):
            subprocess.run(command, capture_output=True)

    def remove(self):
        subprocess.run(("ip", "netns", "delete", self.name), capture_output=True)
        subprocess.run(("ip", "link", "delete", self.link), capture_output=True)
