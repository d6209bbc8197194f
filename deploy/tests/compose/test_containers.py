"""Containers and images, without an engine: locked down, stopped gently, clean."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nginx.tests.compose_file import (
    DATABASES,
    MIGRATIONS,
    PROJECTS,
    ROOT,
    SERVICES,
    mounts_of,
)

ONE_SHOT = [*MIGRATIONS, "gateway-config"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].startswith("${MEMO_UID:?")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+m", service["mem_limit"])
    assert 0 < service["pids_limit"] <= 512
    assert service["cpus"] == "${MEMO_CPUS:-1}"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "privileged" not in service
    assert "docker.sock" not in mounts_of(name)
    for way_out in ("pid", "ipc", "userns_mode", "cap_add", "devices", "cgroup_parent"):
        assert way_out not in service


@pytest.mark.parametrize("name", SERVICES)
def test_what_serves_restarts_and_what_prepares_does_not(name: str) -> None:
    restart = SERVICES[name]["restart"]
    assert restart == ("no" if name in ONE_SHOT else "unless-stopped")


@pytest.mark.parametrize("name", [*DATABASES, "redis", "gateway"])
def test_others_images_get_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_health_check_holds_no_secret(name: str) -> None:
    """`docker inspect` shows it. A file may be read where the check runs."""
    check = str(SERVICES[name].get("healthcheck", {}).get("test", ""))
    for word in re.findall(r"(?i)\S*(?:password|secret|api_key|auth)\S*", check):
        assert re.search(r"\$\$\(cat$|^/run/secrets/\w+|^\S+_project$", word), word
    assert "ENV" not in re.findall(r"^HEALTHCHECK.*\n.*$", DOCKERFILE, re.MULTILINE)[0]


@pytest.mark.parametrize("name", [*PROJECTS, "gateway"])
def test_a_stop_waits_for_requests_in_flight(name: str) -> None:
    """OPS-02: longer than gunicorn's graceful_timeout."""
    assert SERVICES[name]["init"] is True
    assert SERVICES[name]["stop_grace_period"] == "35s"


@pytest.mark.parametrize("name", PROJECTS)
def test_a_name_that_is_gone_is_not_asked_for_outside(name: str) -> None:
    """Else a stopped Redis costs 10 s a request, whatever the timeouts (DATA-05)."""
    assert SERVICES[name]["dns"] == "127.0.0.1"


@pytest.mark.parametrize("name", SERVICES)
def test_memory_is_mounted_where_every_start_finds_the_same_mode(name: str) -> None:
    """Elsewhere the second start may leave a folder only root can write to."""
    known = {"/tmp", "/data", "/var/run/postgresql"}  # noqa: S108 (of a container)
    assert {entry.partition(":")[0] for entry in SERVICES[name]["tmpfs"]} <= known
    for entry in SERVICES[name]["tmpfs"]:
        assert ":size=" in entry


# ---- Stores and gateway --------------------------------------------------------------


def test_redis_forgets_and_never_evicts() -> None:
    """DATA-01."""
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[::2], command[1::2], strict=True))
    assert options["--aclfile"] == "/run/secrets/redis_users.acl"
    assert options["--save"] == ""
    assert options["--appendonly"] == "no"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--maxmemory"]
    assert "volumes" not in SERVICES["redis"]


@pytest.mark.parametrize("name", PROJECTS)
def test_roles_are_made_by_the_same_sql_as_natively(name: str) -> None:
    database = SERVICES[f"{name}-db"]
    assert "./deploy/postgres/roles.sql" in str(database["volumes"])
    assert database["environment"]["MEMO_SERVICE"] == name
    assert (ROOT / "deploy/postgres/roles.sql").is_file()
    needed = re.findall(r"MEMO_\w+", (ROOT / "deploy/postgres/roles.sql").read_text())
    assert set(needed) <= set(database["environment"])


def test_the_gateway_is_configured_by_the_one_renderer() -> None:
    step = SERVICES["gateway-config"]
    assert step["build"]["target"] == "gateway-config"
    assert 'ENTRYPOINT ["python3", "/opt/nginx/render.py"]' in DOCKERFILE
    assert not [item for item in step["command"] if item.startswith("--upstream")]
    for name in PROJECTS:
        port = SERVICES[name]["environment"]["BIND"].rpartition(":")[2]
        found = step["environment"][f"GATEWAY_UPSTREAM_{name.upper()}"]
        assert found == f"{name}:{port}"
    # A service that was made anew has another address (GW-09).
    assert "--resolver=${GATEWAY_RESOLVER-127.0.0.11}" in step["command"]


def test_the_renderer_accepts_these_options(tmp_path: Path) -> None:
    options = [
        item.replace("${GATEWAY_RESOLVER-127.0.0.11}", "127.0.0.11")
        for item in SERVICES["gateway-config"]["command"]
    ]
    options[:2] = [f"--output={tmp_path}", f"--state={tmp_path}"]
    given = SERVICES["gateway-config"]["environment"]
    env = {name: value for name, value in given.items() if "UPSTREAM" in name}
    env |= {"GATEWAY_PORT": "8080", "GATEWAY_BIND": "0.0.0.0"}  # noqa: S104
    program = [sys.executable, str(ROOT / "nginx/render.py"), *options]
    done = subprocess.run(program, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "gateway.conf").read_text()
    assert "listen 0.0.0.0:8080" in text
    for name in PROJECTS:
        assert f"include services/{name}.conf;" in text


# ---- Images --------------------------------------------------------------------------


def test_images_end_as_an_ordinary_user() -> None:
    """OPS-04; compose.yaml names the one who may read the secrets."""
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[2:]:
        (user,) = re.findall(r"^USER (\S+)$", stage, flags=re.MULTILINE)
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_images_are_built_from_hashed_wheels_and_end_in_gunicorn() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "--no-deps --no-build-isolation" in DOCKERFILE
    last = DOCKERFILE.strip().splitlines()[-1]
    assert last.startswith('CMD ["python", "-m", "gunicorn", ')
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE
    assert re.search(r"HEALTHCHECK .*\\\n\s+CMD \[", DOCKERFILE)


def test_default_images_name_a_version() -> None:
    text = (ROOT / "compose.yaml").read_text() + DOCKERFILE
    for name in ("POSTGRES", "REDIS", "NGINX", "PYTHON"):
        assert re.search(rf"{name}_IMAGE(:-|=)[a-z]+:\d+[\w.-]*", text), name


def test_the_builder_sees_only_what_is_allowed() -> None:
    """An allow-list: no secret, key, setting, history or test is even sent to it."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    allowed = {rule.strip("!/") for rule in rules if rule.startswith("!")}
    assert allowed == {
        "pyproject.toml",
        "gunicorn.conf.py",
        "requirements/runtime.txt",
        "shared",
        "*_project",
        "nginx",
        "deploy/compose/healthcheck.py",
        "deploy/compose/prepare.sh",
    }
    last_allowed = max(i for i, rule in enumerate(rules) if rule.startswith("!"))
    assert {"**/tests", "**/.*", "**/*.pem"} <= set(rules[last_allowed + 1 :])
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for path in source.replace("${SERVICE}", "*").split():
            known = path.rstrip("/") in allowed
            assert known, path


# What lies in a checkout that is in use, and must not lie in an image (OPS-04).
KEPT_OUT = [
    ".git/config", ".env", "auth_project/.env", "auth_project/.env.migrate",
    "auth_project/.env.example", ".secrets/auth_secret_key",
    ".secrets/keys/private/k.pem", "shared/key.pem", ".run/stacks/test/secrets/x",
    ".run/venv/bin/python", "auth_project/tests/test_login.py",
    "shared/tests/forgery.py", "deploy/tests/stack.py", "users_project/pytest.ini",
    "requirements/dev.txt", "bench/__main__.py", "README.md", "docs/docker.md",
    "deploy/native/cli.py", "shared/__pycache__/env.cpython-311.pyc",
    "memo_shared.egg-info/PKG-INFO", "nginx/README.md", "auth_project/.ruff_cache/x",
    "compose.yaml", "users_project/compose.yaml", "core.1", "dump.sql",
]  # fmt: skip
NEEDED = [
    "shared/settings.py", "shared/db/base.py", "auth_project/config/wsgi.py",
    "users_project/users/migrations/__init__.py", "users_project/manage.py",
    "requirements/runtime.txt", "gunicorn.conf.py", "nginx/render.py",
    "nginx/includes/proxy.conf", "deploy/compose/prepare.sh",
]  # fmt: skip


def is_sent(path: str) -> bool:
    """Whether the builder gets it: the last rule that holds for it, or for a folder
    that it is in, decides (Docker's reference, .dockerignore)."""
    sent = True
    parts = path.split("/")
    places = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.lstrip("!").rstrip("/")
        if rule and not rule.startswith("#"):
            pattern = re.escape(rule).replace(r"\*\*/", "(?:.*/)?")
            pattern = pattern.replace(r"\*", "[^/]*")
            if any(re.fullmatch(pattern, place) for place in places):
                sent = line.startswith("!")
    return sent


@pytest.mark.parametrize("path", KEPT_OUT)
def test_no_image_holds_what_is_not_for_it(path: str) -> None:
    assert not is_sent(path)


@pytest.mark.parametrize("path", NEEDED)
def test_an_image_holds_what_it_needs(path: str) -> None:
    assert (ROOT / path).exists()
    assert is_sent(path)
