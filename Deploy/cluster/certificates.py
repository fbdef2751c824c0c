"""The Secrets that cert-manager would make of Certificates, from an authority of this run's own: so that certificates are tried
where there is no cert-manager, too."""

import pathlib
import subprocess
import tempfile


def openssl(folder: pathlib.Path, name: str, common_name: str, *more: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={common_name}", "-keyout", f"{name}.key", "-out", f"{name}.crt", *more],
        cwd=folder, check=True, capture_output=True)


def secret(folder: pathlib.Path, spec: dict) -> dict:
    names = [f"URI:{uri}" for uri in spec.get("uris", [])] + [f"DNS:{name}" for name in spec.get("dnsNames", [])]
    openssl(folder, "tls", spec["commonName"], "-CA", "ca.crt", "-CAkey", "ca.key",
            "-addext", f"subjectAltName={','.join(names)}", "-addext", "basicConstraints=critical,CA:FALSE")
    files = {name: (folder / name).read_text() for name in ("tls.crt", "tls.key", "ca.crt")}
    return {
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": spec["secretName"]},
        "stringData": files,
    }


def made(resources: list[dict]) -> list[dict]:
    """The resources with Secrets in place of what cert-manager makes them of."""
    specs = [each["spec"] for each in resources if each["kind"] == "Certificate" and not each["spec"].get("isCA")]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        openssl(folder, "ca", "apus-check")
        secrets = [secret(folder, spec) for spec in specs]
    return secrets + [each for each in resources if not each["apiVersion"].startswith("cert-manager.io/")]
