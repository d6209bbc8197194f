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

# What the environment gives, by variable, and what the line has to name. The tests of
# `shared.checks` try every rule; here each goes through a process of its own kind.
CHECK = ["manage.py", "check"]
DEBUG = {"DEBUG": "true"}
NO_CALLER = {"INTERNAL_API_KEYS": ""}
OTHER_ALGORITHM = (
    "import config.settings as s, django; "
    's.SIMPLE_JWT["ALGORITHM"] = "HS256"; django.setup()'
)


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
        (CHECK, DEBUG, "memo.E010"),
        (["manage.py", "migrate", "--check"], DEBUG, "memo.E010"),
        (["manage.py", "runserver", "--noreload", "1"], DEBUG, "memo.E010"),
        # That of the role that migrates, which the suite's environment names.
        (CHECK, {"MIGRATION_DATABASE_PASSWORD": "auth_owner"}, "memo.E022"),
        # What the settings themselves cannot read:
        (CHECK, {"JWT_LEEWAY": CANARY}, "JWT_LEEWAY"),
        (CHECK, {"INTERNAL_API_KEYS": CANARY * 9}, "INTERNAL_API_KEYS"),
        # TOK-01. No variable names the algorithm.
        (["-c", OTHER_ALGORITHM], {}, "memo.E014"),
        (GUNICORN, NO_CALLER, "memo.E013"),
        # On its own command line, where no setting sees it:
        ([*GUNICORN, "--forwarded-allow-ips", "10.0.0.1,*"], {}, "memo.E023"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_no_process_starts_with(words, env, fault):
    assert_refused(start(words, **env), fault)


def test_all_settings_that_are_missing_are_in_the_one_line(tmp_path):
    given = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"}
    given["ENV_FILE"] = str(tmp_path / "none")
    done = subprocess.run(
        [sys.executable, *CHECK], cwd=PROJECT, env=given, capture_output=True, text=True
    )
    assert_refused(done, "These settings are missing: ")
    names = "SECRET_KEY ALLOWED_HOSTS DATABASE_URL REDIS_URL JWT_ISSUER JWT_JWKS_URL "
    names += "JWT_PUBLIC_KEYS_DIR JWT_PRIVATE_KEYS_DIR "
    names += "USERS_SERVICE_URL USERS_SERVICE_API_KEY"
    assert {*re.findall("[A-Z_]{5,}", done.stderr)} == {*names.split()}


# --- Key files: seen by gunicorn before it listens, and by `check` --------------------


@pytest.mark.parametrize("fault", ["missing", "unreadable"])
def test_gunicorn_does_not_listen_with_a_key_that_is(fault, tmp_path):
    kid = signing_keys.generate(tmp_path, bits=2048)
    private, public = tmp_path / "private", tmp_path / "public"
    (private / f"{kid}.pem").unlink()
    if fault == "unreadable":
        text = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n"
        (private / f"{kid}.pem").write_text(text)
    places = {"JWT_PRIVATE_KEYS_DIR": str(private), "JWT_PUBLIC_KEYS_DIR": str(public)}
    done = start(GUNICORN, **places)
    assert_refused(done, "memo.E003")
    assert "Listening" not in done.stderr
    assert "BEGIN" not in done.stderr


# --- What may start -------------------------------------------------------------------


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
