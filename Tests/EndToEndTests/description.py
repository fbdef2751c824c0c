"""Requests drawn from the API's own description, valid and not: python3 description.py http://HOST:PORT EXAMPLES

No server error but those that mean what they say (501, 503), no status, type or shape of answer that the document lacks."""

import pathlib
import subprocess
import sys
import tempfile

url, examples = sys.argv[1:]
settings = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501, 503]
"""
checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "schemathesis.toml")
    file.write_text(settings)
    sys.exit(
        subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", file, "run", url + "/openapi.json"]
            + ["--checks", checks, "--mode", "all", "--phases", "fuzzing", "--max-examples", examples]
            + ["--seed", "1", "--workers", "4", "--no-shrink", "--request-timeout", "30"],
            cwd=folder,
        ).returncode
    )
