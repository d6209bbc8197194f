"""Schemathesis against both services as they run, internal routes included."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from system import SERVICES, System

# Data that the schema allows, and data that it does not: apart, since together the
# generator stops at a handful for an operation whose input is one path parameter.
MODES = {"positive": 200, "negative": 100}  # cases an operation
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method"
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("service", SERVICES)
def test_the_service_does_what_its_schema_says(
    service: str, mode: str, system: System, tmp_path: Path
) -> None:
    tally = tmp_path / "tally.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", "--no-color"]
    options = {
        "--checks": CHECKS,
        "--mode": mode,
        "--max-examples": str(MODES[mode]),
        "--phases": "examples,coverage,fuzzing",
        "--suppress-health-check": "all",
        "--generation-database": "none",
        "--header": f"X-Internal-Api-Key: {system.api_key(service)}",
    }
    done = subprocess.run(
        [*command, schema_url(system, service), *chain.from_iterable(options.items())],
        cwd=tmp_path,
        env={
            **os.environ,
            "MEMO_STACK": system.stack,
            "PYTHONPATH": str(Path(__file__).parent),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "SCHEMATHESIS_TALLY": str(tally),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    if mode == "positive":
        assert_covered(json.loads(tally.read_text()), MODES[mode])


def assert_covered(tally: dict[str, dict[str, int]], cases: int) -> None:
    """Every operation got its cases, and some of them were a success."""
    for operation, answers in tally.items():
        assert sum(answers.values()) >= cases, (operation, answers)
        assert any(status.startswith("2") for status in answers), (operation, answers)


def schema_url(system: System, service: str) -> str:
    """Of the service itself: the gateway hides what is internal."""
    base = system.auth_url if service == "auth" else system.users_url
    return f"{base}/api/v1/{service}/openapi.json"
