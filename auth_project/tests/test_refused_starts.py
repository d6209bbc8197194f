"""Real processes: an insecure production is refused in one line, at once (OPS-01)."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

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
LIVES = ("REFRESH_TOKEN_LIFETIME", "SESSION_ABSOLUTE_LIFETIME")
TRACING = """
import sys


def initialize():
    print("tracing", file=sys.stderr, flush=True)
"""


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
        # With which no session would live:
        *((["manage.py", "check"], {name: "0"}, f"{name} must be") for name in LIVES),
        # On its own command line, where no setting sees it:
        ([*GUNICORN, "--forwarded-allow-ips", "10.0.0.1,*"], {}, "memo.E023"),
    ],
    ids=["runserver", "check", "idle", "absolute", "gunicorn"],
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


@contextmanager
def started(said, words, cwd=PROJECT, **env):
    """The lines of gunicorn up to one with `said`. It runs until the block ends."""
    with subprocess.Popen(
        # A worker that has just begun may miss the signal to end.
        [sys.executable, *words, "--graceful-timeout", "1"],
        cwd=cwd,
        env={**os.environ, **PRODUCTION, **env},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if said in line:
                break
        try:
            yield lines
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def test_gunicorn_listens_in_a_production_without_a_fault():
    with started("Listening at", GUNICORN) as said:
        pass
    assert re.search(r"Listening at: http://127\.0\.0\.1:\d+", said[-1]), said
    assert all("Error" not in json.loads(line)["level"] for line in said)


def test_the_configuration_of_traces_starts_them_in_a_worker(tmp_path):
    """The block of the page, with an OpenTelemetry that only says in which process."""
    root = PROJECT.parent
    page = (root / "docs" / "operations" / "observability.md").read_text()
    [block] = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (tmp_path / "traces.py").write_text(block)
    package = tmp_path / "opentelemetry" / "instrumentation"
    package.mkdir(parents=True)
    (package / "auto_instrumentation.py").write_text(TRACING)
    words = [*GUNICORN[:3], "--config", str(tmp_path / "traces.py")]
    words += ["--chdir", str(PROJECT), "--bind", "127.0.0.1:0", "--workers", "1"]

    with started("tracing", words, root, PYTHONPATH=str(tmp_path)) as said:
        assert "Booting worker" in said[-2], said
        [port] = re.findall(r"http://127\.0\.0\.1:(\d+)", "".join(said))
        url = f"http://127.0.0.1:{port}/api/v1/auth/health/live"
        host = {"Host": PRODUCTION["ALLOWED_HOSTS"]}
        assert requests.get(url, headers=host, timeout=SECONDS).status_code == 200
