"""The attacks, run with an address and nothing else."""

import os
import subprocess
import sys

import pytest

from deploy.tests.tls_stack import tls_stack

pytestmark = pytest.mark.verify

ATTACKS = "deploy/tests/attack"
# What differs over TLS, or with limits that are not raised; the others would say the
# same again.
MODULES = ("tls", "cookies", "answers", "limits")
# Fewer than one attack tries, and more than the others need.
LIMITS = {
    f"GATEWAY_{act}_{what}": value
    for act in ("LOGIN", "REGISTER", "REFRESH")
    for what, value in {"RATE": "1r/s", "BURST": "50"}.items()
}


def attack(stack, *modules):
    """What pytest prints, and its exit status."""
    words = [f"{ATTACKS}/test_{name}.py" for name in modules]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "MEMO_ATTACK_URL": f"https://localhost:{stack.port}",
            "MEMO_ATTACK_CA": str(stack.certificate),
        },
        capture_output=True,
        text=True,
    )
    return done.stdout, done.returncode


def test_they_need_no_more_than_an_address(system, tmp_path):
    """And a file with the certificate, which is self-signed."""
    with tls_stack(system, tmp_path, verification="optional", **LIMITS) as stack:
        output, status = attack(stack, *MODULES)
    assert status == 0, output
    assert "skipped" not in output, output


def test_where_users_register_by_mail_none_can_be_tried(secure):
    output, status = attack(secure, "cookies")
    assert status == 2, output
    assert "EMAIL_VERIFICATION=optional" in output
