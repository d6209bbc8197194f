"""The attacks, run with an address and nothing else."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.verify

ATTACKS = "deploy/tests/attack"
# What differs over TLS; the others would say the same again.
MODULES = ("tls", "cookies", "answers")


def test_they_need_no_more_than_an_address(secure):
    """And a file with the certificate, which is self-signed."""
    words = [f"{ATTACKS}/test_{name}.py" for name in MODULES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "MEMO_ATTACK_URL": f"https://localhost:{secure.port}",
            "MEMO_ATTACK_CA": str(secure.certificate),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout, done.stdout
