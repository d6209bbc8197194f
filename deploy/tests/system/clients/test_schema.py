"""Schemathesis against both services as they run, internal routes included."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.tests.stack import ROOT, SERVICES, System

# For each operation, at least; `./manage_all.sh fuzz` asks for more, with other seeds,
# and for hundreds of requests that are wrong in a way that is listed.
MORE, SEED = os.environ.get("FUZZ_EXAMPLES"), int(os.environ.get("FUZZ_SEED", "1"))
CASES = int(MORE or 5)
PHASES = "examples,coverage,fuzzing" if MORE else "examples,fuzzing"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method"
)
# These succeed with a link from a mail alone, a code of an app that was added just now,
# or where a factor is required.
LINKED = ("/verify_email", "/confirm", "/undo", "/cancel", "/login/enrol")
RUNS = 15  # at most; the generator sometimes stops early, and is then started again


@pytest.mark.fuzz
@pytest.mark.parametrize("document", ["openapi.json", "internal/openapi.json"])
@pytest.mark.parametrize("service", SERVICES)
def test_the_service_does_what_its_schema_says(service, document, system, tmp_path):
    file = tmp_path / "counts.json"
    url = f"{getattr(system, f'{service}_url')}/api/v1/{service}/{document}"
    fuzz(system, service, url, file, SEED)
    for run in range(1, RUNS):
        counts = json.loads(file.read_text())
        few = [
            name for name, answers in counts.items() if sum(answers.values()) < CASES
        ]
        if not few:
            break
        fuzz(system, service, url, file, SEED + run, *few)
    assert few == []
    successes = {
        name: any(status.startswith("2") for status in answers)
        for name, answers in counts.items()
        if not name.endswith(LINKED)
    }
    assert all(successes.values()), successes


def fuzz(
    system: System, service: str, url: str, file: Path, seed: int, *operations: str
) -> None:
    """One run, of all operations or of those named; no check may fail in it."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", "--no-color", url]
    command += [
        f"--checks={CHECKS}",
        f"--seed={seed}",
        f"--max-examples={2 * CASES}",
        f"--phases={PHASES}",
        "--suppress-health-check=all",
        "--generation-database=none",
        f"--header=X-Internal-Api-Key: {system.api_key(service)}",
        *(f"--include-name={name}" for name in operations),
    ]
    done = subprocess.run(
        command,
        cwd=file.parent,
        env={
            **os.environ,
            "MEMO_STACK": system.stack,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "deploy.tests.system.clients.schemathesis_hooks",
            "SCHEMATHESIS_COUNTS": str(file),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
