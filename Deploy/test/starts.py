"""Does a router start with the arguments of the manifests, and with the files that their secrets hold? Then strangers are
refused, and the caller with a key is not."""

import contextlib
import http.client
import pathlib
import re
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from checks import expect, free_port

# Where there is no cluster.
NOWHERE = {"--worker-address": "127.0.0.1:1", "--host": "127.0.0.1"}
PORTS = ("--http-port", "--grpc-port", "--admin-port")


def fill(folder: pathlib.Path, volume: dict, certificates: dict[str, dict], apus: str) -> str:
    """The files of a mounted secret: cert-manager's, or those that an operator makes. The key for callers, where it is made."""
    folder.mkdir(parents=True)
    secret, key = volume["secret"], ""
    if secret["secretName"] in certificates:
        spec = certificates[secret["secretName"]]
        names = [f"URI:{uri}" for uri in spec.get("uris", [])] + [f"DNS:{name}" for name in spec.get("dnsNames", [])]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", f"/CN={spec['commonName']}", "-addext", f"subjectAltName={','.join(names)}",
             "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True)
        (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())
    for item in secret.get("items", []):
        if item["key"] == "keys.yaml":
            made = subprocess.run([apus, "key", "team-a"], check=True, capture_output=True, text=True)
            (folder / item["path"]).write_text("keys:\n" + made.stdout)
            key = re.search(r"apus-[0-9a-f]+", made.stderr)[0]
        else:
            (folder / item["path"]).write_bytes(bytes(range(32)))
    return key


def status(url: str, key: str = "") -> int:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5, context=trusting) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0


def check_start(resources: list[dict], apus: str) -> None:
    """For resources with keys for callers and TLS on the ports of clients and of metrics."""
    pod = next(each for each in resources if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    certificates = {each["spec"]["secretName"]: each["spec"] for each in resources if each["kind"] == "Certificate"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    with tempfile.TemporaryDirectory() as root, contextlib.ExitStack() as stack:
        keys = [
            fill(pathlib.Path(root + mount["mountPath"]), volumes[mount["name"]], certificates, apus)
            for mount in container["volumeMounts"]
        ]
        key = next(each for each in keys if each)
        command, *arguments = container["args"]
        flags = dict(argument.split("=", 1) for argument in arguments) | NOWHERE
        flags = {flag: root + value if value.startswith("/") else value for flag, value in flags.items()}
        ports = {flag: free_port() for flag in PORTS}
        router = subprocess.Popen(
            [apus, command, *(f"{flag}={value}" for flag, value in (flags | ports).items())],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        stack.callback(router.kill)
        api, admin = (f"https://127.0.0.1:{ports[flag]}" for flag in ("--http-port", "--admin-port"))
        deadline = time.monotonic() + 30
        while status(f"{admin}/livez") != 200 and router.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        expect(status(f"{admin}/livez") == 200, "a router with the manifests' arguments does not live")
        for shown, wanted in (("", 401), ("apus-0", 401), (key, 200)):
            expect(status(f"{api}/v1/models", shown) == wanted, f"{'a key' if shown == key else 'no key'}: not {wanted}")
        expect(status(f"{api}/v1/models".replace("https", "http"), key) != 200, "keys are taken without TLS")
        router.terminate()
        log = router.communicate(timeout=60)[0]
        expect(router.returncode == 0, f"a router with the manifests' arguments ended with {router.returncode}: {log[-800:]}")
