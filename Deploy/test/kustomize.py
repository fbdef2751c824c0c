"""Deploy/kustomize as this folder's checks see it: the base, and the base with components. With `kubectl` the real kustomize
renders both, else what follows does; where it is there, the two must agree."""

import copy
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

from checks import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "Deploy/kustomize/base"
COMPONENTS = ROOT / "Deploy/kustomize/components"
# Of two components that say the same differently, one is enough.
ALTERNATIVES = {"hpa", "inference-pool"}
# What other components bring: patched where it is there.
OPTIONAL = {"PodMonitor", "ScaledObject"}


def kustomization() -> dict:
    return yaml.safe_load((BASE / "kustomization.yaml").read_text())


def folders() -> list[pathlib.Path]:
    return sorted(COMPONENTS.iterdir())


def component(folder: pathlib.Path) -> dict:
    return yaml.safe_load((folder / "kustomization.yaml").read_text())


def compatible() -> list[pathlib.Path]:
    """All components that can be used together, but for those that others contain."""
    inner = {name.removeprefix("../") for folder in folders() for name in component(folder).get("components", [])}
    return [folder for folder in folders() if folder.name not in ALTERNATIVES | inner]


def base() -> list[dict]:
    if shutil.which("kubectl"):
        return rendered([])
    texts = [(BASE / name).read_text() for name in kustomization()["resources"]]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def rendered(components: list[pathlib.Path]) -> list[dict]:
    """What the real kustomize makes of an overlay with these components."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
            "resources": [os.path.relpath(BASE, pathlib.Path(folder).resolve())],
            "components": [os.path.relpath(each, pathlib.Path(folder).resolve()) for each in components],
        }
        (pathlib.Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        result = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    expect(result.returncode == 0, f"kustomize with {[each.name for each in components]}: {result.stderr}")
    return list(yaml.safe_load_all(result.stdout))


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
    made = component(folder)
    changed = copy.deepcopy(resources)
    for name in made.get("components", []):
        changed = with_component(changed, (folder / name).resolve())
    for name in made["resources"]:
        changed += yaml.safe_load_all((folder / name).read_text())
    for each in made.get("patches", []):
        target = each["target"]
        found = [one for one in changed if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])]
        wanted = {0, 1} if target["kind"] in OPTIONAL else {1}
        expect(len(found) in wanted, f"{folder.name}: {len(found)} resources are {target}")
        for document in found:
            patch(document, yaml.safe_load((folder / each["path"]).read_text()), folder.name)
    return changed


def with_components(resources: list[dict], components: list[pathlib.Path]) -> list[dict]:
    for folder in components:
        resources = with_component(resources, folder)
    return resources


def check_secrets(folder: pathlib.Path) -> None:
    """A secret that nothing makes is one that the component's head says how to make."""
    head = (folder / "kustomization.yaml").read_text()
    for each in component(folder).get("patches", []):
        for operation in yaml.safe_load((folder / each["path"]).read_text()):
            secret = operation.get("value", {}).get("secret") if isinstance(operation.get("value"), dict) else None
            for item in (secret or {}).get("items", []):
                made = re.search(rf"create secret generic {secret['secretName']} --from-file={item['key']}$", head, re.M)
                expect(made is not None, f"{folder.name}: does not say how {secret['secretName']} is made")
