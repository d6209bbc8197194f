"""Real processes: an insecure production is refused in one line, at once (OPS-01)."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shared.keys import signing_keys

PROJECT = Path(__file__).resolve().parents[1]
GUNICORN = ["-m", "gunicorn", "config.wsgi:application"]
GUNICORN += ["--config", "../gunicorn.conf.py", "--bind", "127.0.0.1:0"]
SECONDS = 30  # on a busy machine; it takes one
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DEBUG": "false",
    "COOKIE_SECURE": "true",
    "ALLOWED_HOSTS": "memo.example",
    "JWT_ISSUER": "https://memo.example",
}
CANARY = "kAnArY-"

# What is wrong, the variable, its value, and what the line has to say.
KNOWN_WITHOUT_IO = {
    "debug": ("DEBUG", "true", "memo.E010"),
    "no-secret-key": ("SECRET_KEY", "", "SECRET_KEY"),
    "short-secret-key": ("SECRET_KEY", CANARY * 7, "memo.E011"),
    "sample-secret-key": ("SECRET_KEY", "django-insecure-" + CANARY * 7, "memo.E011"),
    "no-hosts": ("ALLOWED_HOSTS", "", "memo.E012"),
    "any-host": ("ALLOWED_HOSTS", "*", "memo.E012"),
    "no-caller": ("INTERNAL_API_KEYS", "", "memo.E013"),
    "short-caller": ("INTERNAL_API_KEYS", f"users={CANARY}", "memo.E001"),
    "sample-caller": ("INTERNAL_API_KEYS", f"users={CANARY * 9}", "memo.E013"),
    "no-api-key": ("USERS_SERVICE_API_KEY", "", "memo.E013"),
    "short-api-key": ("USERS_SERVICE_API_KEY", CANARY, "memo.E001"),
    "malformed-api-keys": ("INTERNAL_API_KEYS", CANARY * 9, "INTERNAL_API_KEYS"),
    "plain-issuer": ("JWT_ISSUER", "http://memo.example", "memo.E015"),
    "no-issuer": ("JWT_ISSUER", "", "memo.E005"),
    "no-audience": ("JWT_AUDIENCE", "", "memo.E005"),
    "long-access": ("ACCESS_TOKEN_LIFETIME", "3601", "memo.E016"),
    "wide-leeway": ("JWT_LEEWAY", "61", "memo.E017"),
    "open-cookies": ("COOKIE_SECURE", "false", "memo.E018"),
    "any-origin": ("CORS_ALLOWED_ORIGINS", "*", "memo.E019"),
    "trusts-everybody": ("FORWARDED_ALLOW_IPS", "*", "memo.E023"),
    "no-database-password": ("MIGRATION_DATABASE_PASSWORD", "", "memo.E022"),
    "users-own-name": ("MIGRATION_DATABASE_PASSWORD", "auth_owner", "memo.E022"),
    "malformed-number": ("JWT_LEEWAY", CANARY, "JWT_LEEWAY"),
    "other-environment": ("ENVIRONMENT", "staging", "ENVIRONMENT"),
}
# No variable says these: somebody has changed the code of the settings.
IN_THE_CODE = {
    "other-algorithm": ('s.SIMPLE_JWT["ALGORITHM"] = "HS256"', "memo.E014"),
    "signing-key": (f's.SIMPLE_JWT["SIGNING_KEY"] = "{CANARY}"', "memo.E014"),
    "fast-hash": (
        's.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]',
        "memo.E020",
    ),
    "ignored-exceptions": (
        's.CACHES["default"]["OPTIONS"]["IGNORE_EXCEPTIONS"] = True',
        "memo.E021",
    ),
    "browsable": ('del s.REST_FRAMEWORK["DEFAULT_RENDERER_CLASSES"]', "memo.E024"),
    "no-limit": ("s.EXPORT_LIMIT_PER_USER = '0/minute'", "memo.E025"),
}


def start(
    words: list[str], program: str = sys.executable, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *words],
        cwd=PROJECT,
        env={**os.environ, "FORWARDED_ALLOW_IPS": "127.0.0.1"} | PRODUCTION | env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], word: str) -> None:
    """Exit status, and one line for people beside gunicorn's JSON for machines."""
    lines = [x for x in done.stderr.splitlines() if not x.startswith('{"time"')]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ImproperlyConfigured: ")
    assert word in lines[0]
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize("fault", KNOWN_WITHOUT_IO)
def test_no_command_starts_with(fault: str) -> None:
    name, value, word = KNOWN_WITHOUT_IO[fault]
    assert_refused(start(["manage.py", "check"], **{name: value}), word)


@pytest.mark.parametrize("fault", IN_THE_CODE)
def test_no_process_starts_with(fault: str) -> None:
    change, word = IN_THE_CODE[fault]
    code = f"import config.settings as s, django; {change}; django.setup()"
    assert_refused(start(["-c", code], DJANGO_SETTINGS_MODULE="config.settings"), word)


def test_the_same_key_in_both_directions_is_refused() -> None:
    key = "S3cr-iT_p9QzXwVb7LkMnH2dJgFyRtUo5AaEeCv0N1hK8mB4"
    both = {"INTERNAL_API_KEYS": f"users={key}", "USERS_SERVICE_API_KEY": key}
    done = start(["manage.py", "check"], **both)
    assert_refused(done, "memo.E002")
    assert key not in done.stderr


@pytest.mark.parametrize(
    "command",
    [["migrate", "--check"], ["shell", "-c", "1"], ["runserver", "--noreload", "1"]],
)
def test_no_other_command_starts_either(command: list[str]) -> None:
    assert_refused(start(["manage.py", *command], DEBUG="true"), "memo.E010")


@pytest.mark.parametrize(
    "fault", ["debug", "no-secret-key", "no-caller", "trusts-everybody"]
)
def test_gunicorn_does_not_start_with(fault: str) -> None:
    name, value, word = KNOWN_WITHOUT_IO[fault]
    assert_refused(start(GUNICORN, **{name: value}), word)


def test_gunicorn_does_not_trust_everybody_by_an_option_of_its_own() -> None:
    options = ["--forwarded-allow-ips", "10.0.0.1,*"]
    assert_refused(start([*GUNICORN, *options]), "memo.E023")


@pytest.mark.parametrize("fault", ["debug", "no-caller", "no-database-password"])
def test_a_container_is_not_prepared_with(fault: str) -> None:
    """The step that migrates; gunicorn's is the image's CMD, word for word."""
    name, value, word = KNOWN_WITHOUT_IO[fault]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = ["../deploy/compose/prepare.sh"]
    assert_refused(start(script, program="sh", PATH=path, **{name: value}), word)


def test_what_runs_in_a_container_is_what_is_tried_here() -> None:
    dockerfile = (PROJECT.parent / "Dockerfile").read_text()
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    config = ["/app/gunicorn.conf.py" if x.startswith("../") else x for x in GUNICORN]
    assert json.loads(command) == ["python", *config[: config.index("--bind")]]


# --- Key files: seen by gunicorn before it listens, and by `check` --------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    signing_keys.generate(tmp_path, bits=2048)
    return tmp_path


def missing(folder: Path) -> None:
    shutil.rmtree(folder / "private")


def unreadable(folder: Path) -> None:
    private_key(folder).chmod(0o600)
    private_key(folder).write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n")


def for_others(folder: Path) -> None:
    private_key(folder).chmod(0o440)


def unrelated(folder: Path) -> None:
    shutil.rmtree(folder / "public")
    signing_keys.generate(folder / "other", bits=2048)
    shutil.move(folder / "other" / "public", folder / "public")


def small(folder: Path) -> None:
    """1024 bits, which nothing of ours would make."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    pem = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    private_key(folder).chmod(0o600)
    private_key(folder).write_bytes(pem)


def private_key(folder: Path) -> Path:
    (path,) = (folder / "private").glob("*.pem")
    return path


def places(folder: Path) -> Mapping[str, str]:
    return {
        "JWT_PRIVATE_KEYS_DIR": str(folder / "private"),
        "JWT_PUBLIC_KEYS_DIR": str(folder / "public"),
    }


@pytest.mark.parametrize(
    "fault",
    [missing, unreadable, for_others, unrelated, small],
    ids=lambda f: f.__name__,
)
def test_gunicorn_does_not_listen_with_a_key_that_is(fault, folder: Path) -> None:
    fault(folder)
    done = start(GUNICORN, **places(folder))
    assert_refused(done, "memo.E003")
    assert "Listening" not in done.stderr
    assert "BEGIN" not in done.stderr


# --- What may start -------------------------------------------------------------------


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def first_words(process: subprocess.Popen[str]) -> str:
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
def test_gunicorn_listens_in(env: Mapping[str, str], started) -> None:
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
