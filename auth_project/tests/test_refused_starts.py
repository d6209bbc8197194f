"""Real processes: an insecure production is refused in one line, at once (OPS-01)."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
}
CANARY = "kAnArY-"

# What the environment gives, by variable, and what the line has to name. The tests of
# `shared.checks` try every rule; here each goes through a process of its own kind.
DEBUG = {"DEBUG": "true"}
NO_CALLER = {"INTERNAL_API_KEYS": ""}
UNREADABLE = {"JWT_LEEWAY": CANARY}


def start(words, program=sys.executable, **env):
    return subprocess.run(
        [program, *words],
        cwd=PROJECT,
        env={**os.environ, "FORWARDED_ALLOW_IPS": "127.0.0.1"} | PRODUCTION | env,
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
    ("env", "word"),
    [
        (DEBUG, "memo.E010"),
        # That of the role that migrates, which the suite's environment names.
        ({"MIGRATION_DATABASE_PASSWORD": "auth_owner"}, "memo.E022"),
        # What the settings themselves cannot read:
        (UNREADABLE, "JWT_LEEWAY"),
        ({"INTERNAL_API_KEYS": CANARY * 9}, "INTERNAL_API_KEYS"),
    ],
    ids=str,
)
def test_no_command_starts_with(env, word):
    assert_refused(start(["manage.py", "check"], **env), word)


@pytest.mark.parametrize(
    "command", [["migrate", "--check"], ["runserver", "--noreload", "1"]]
)
def test_no_other_command_starts_either(command):
    assert_refused(start(["manage.py", *command], **DEBUG), "memo.E010")


def test_no_process_starts_with_another_algorithm_in_the_code_of_the_settings():
    """TOK-01. No variable names it."""
    change = 's.SIMPLE_JWT["ALGORITHM"] = "HS256"'
    code = f"import config.settings as s, django; {change}; django.setup()"
    done = start(["-c", code], DJANGO_SETTINGS_MODULE="config.settings")
    assert_refused(done, "memo.E014")


@pytest.mark.parametrize(
    ("env", "options", "word"),
    [
        (NO_CALLER, [], "memo.E013"),
        # On its own command line, where no setting sees it:
        ({}, ["--forwarded-allow-ips", "10.0.0.1,*"], "memo.E023"),
    ],
    ids=str,
)
def test_gunicorn_does_not_start_with(env, options, word):
    assert_refused(start([*GUNICORN, *options], **env), word)


def test_a_container_is_not_prepared_with_an_unsafe_setting():
    """The step that migrates; gunicorn's is the image's CMD, word for word."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    common = (PROJECT.parent / "deploy" / "compose" / "common.yaml").read_text()
    shell, *words = yaml.safe_load(common)["services"]["migrate"]["command"]
    script = [word.replace("$$", "$") for word in words]
    assert_refused(start(script, program=shell, PATH=path, **NO_CALLER), "memo.E013")


def test_what_runs_in_a_container_is_what_is_tried_here():
    dockerfile = (PROJECT.parent / "deploy" / "Dockerfile").read_text()
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    config = ["/app/gunicorn.conf.py" if x.startswith("../") else x for x in GUNICORN]
    assert json.loads(command) == ["python", *config[: config.index("--bind")]]


# --- Key files: seen by gunicorn before it listens, and by `check` --------------------


@pytest.fixture
def folder(tmp_path):
    signing_keys.generate(tmp_path, bits=2048)
    return tmp_path


def missing(folder):
    shutil.rmtree(folder / "private")


def unreadable(folder):
    private_key(folder).chmod(0o600)
    private_key(folder).write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n")


def private_key(folder):
    (path,) = (folder / "private").glob("*.pem")
    return path


def places(folder):
    return {
        "JWT_PRIVATE_KEYS_DIR": str(folder / "private"),
        "JWT_PUBLIC_KEYS_DIR": str(folder / "public"),
    }


@pytest.mark.parametrize("fault", [missing, unreadable], ids=lambda f: f.__name__)
def test_gunicorn_does_not_listen_with_a_key_that_is(fault, folder):
    fault(folder)
    done = start(GUNICORN, **places(folder))
    assert_refused(done, "memo.E003")
    assert "Listening" not in done.stderr
    assert "BEGIN" not in done.stderr


# --- What may start -------------------------------------------------------------------


@pytest.fixture
def started():
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def first_words(process):
    """What gunicorn says until it listens, or until it ends."""
    said = ""
    assert process.stderr
    for line in process.stderr:
        said += line
        if "Listening at" in line:
            return said
    return said


@pytest.mark.parametrize(
    "env",
    [
        pytest.param(PRODUCTION, id="good-production"),
        pytest.param(
            {
                "ENVIRONMENT": "development",
                "DEBUG": "true",
                "COOKIE_SECURE": "false",
                "SECRET_KEY": "django-insecure",
                "JWT_LEEWAY": "100",
                "FORWARDED_ALLOW_IPS": "*",
                "DATABASE_PASSWORD": "auth_app",
            },
            id="development",
        ),
    ],
)
def test_gunicorn_listens_in(env, started):
    process = subprocess.Popen(
        [sys.executable, *GUNICORN],
        cwd=PROJECT,
        env={**os.environ, **env},
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    said = first_words(process)
    assert re.search(r"Listening at: http://127\.0\.0\.1:\d+", said), said
    assert all("Error" not in json.loads(line)["level"] for line in said.splitlines())
