"""Real processes: an insecure production is refused in one line, at once (OPS-01)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.keys import signing_keys

PROJECT = Path(__file__).resolve().parents[1]
GUNICORN = ["-m", "gunicorn", "config.wsgi:application"]
GUNICORN += ["--config", "../deploy/gunicorn.conf.py", "--bind", "127.0.0.1:0"]
SECONDS = 30  # on a busy machine; it takes one
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DEBUG": "false",
    "COOKIE_SECURE": "true",
    "ALLOWED_HOSTS": "memo.example",
    "JWT_ISSUER": "https://memo.example",
    "FORWARDED_ALLOW_IPS": "127.0.0.1",
    "DJANGO_SETTINGS_MODULE": "config.settings",
}
CANARY = "kAnArY-"


def start(words, **env):
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        env={**os.environ, **PRODUCTION, **env},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def assert_refused(done, word):
    """Exit status, and one plain line next to gunicorn's JSON."""
    lines = [x for x in done.stderr.splitlines() if not x.startswith('{"time"')]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ImproperlyConfigured: ")
    assert word in lines[0]
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "env", "fault"),
    [
        (["manage.py", "runserver", "--noreload", "1"], {"DEBUG": "true"}, "memo.E010"),
        # What the settings themselves cannot read:
        (["manage.py", "check"], {"JWT_LEEWAY": CANARY}, "JWT_LEEWAY"),
        # On its own command line, where no setting sees it:
        ([*GUNICORN, "--forwarded-allow-ips", "10.0.0.1,*"], {}, "memo.E023"),
    ],
    ids=["runserver", "check", "gunicorn"],
)
def test_no_process_starts_with(words, env, fault):
    """A process of each kind; the tests of `shared.checks` try every rule."""
    assert_refused(start(words, **env), fault)


def test_gunicorn_does_not_listen_with_a_key_that_cannot_be_read(tmp_path):
    kid = signing_keys.generate(tmp_path, bits=2048)
    private, public = tmp_path / "private", tmp_path / "public"
    text = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n"
    (private / f"{kid}.pem").unlink()
    (private / f"{kid}.pem").write_text(text)
    places = {"JWT_PRIVATE_KEYS_DIR": str(private), "JWT_PUBLIC_KEYS_DIR": str(public)}
    done = start(GUNICORN, **places)
    assert_refused(done, "memo.E003")
    assert "Listening" not in done.stderr
    assert "BEGIN" not in done.stderr


def test_gunicorn_listens_in_a_production_without_a_fault():
    with subprocess.Popen(
        # A worker that has just begun may miss the signal to end.
        [sys.executable, *GUNICORN, "--graceful-timeout", "1"],
        cwd=PROJECT,
        env={**os.environ, **PRODUCTION},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Listening at" in line:
                break
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert re.search(r"Listening at: http://127\.0\.0\.1:\d+", said[-1]), said
    assert all("Error" not in json.loads(line)["level"] for line in said)
