"""Containers and images, without an engine: locked down, stopped gently, clean."""

import re
from collections import Counter

import pytest

from deploy.tests.compose.compose_file import (
    COMMON,
    DATABASES,
    DOCKERFILE,
    MIGRATIONS,
    PROJECTS,
    ROOT,
    SERVICES,
    mounts_of,
)

# The last stage of each image that is run.
STAGES = {
    stage.split()[2]: stage
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
}


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
    assert "docker.sock" not in str(mounts_of(name))
    for way_out in ("pid", "ipc", "userns_mode", "cap_add", "devices", "cgroup_parent"):
        assert way_out not in service
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_data_or_read_only(name: str) -> None:
    for target, mount in mounts_of(name).items():
        if mount["type"] == "volume":
            assert target == "/var/lib/postgresql"
        else:
            assert mount["read_only"] is True
            assert mount["bind"] == {"create_host_path": False}


@pytest.mark.parametrize("name", SERVICES)
def test_what_serves_restarts_and_what_prepares_does_not(name: str) -> None:
    expected = "no" if name in MIGRATIONS else "unless-stopped"
    assert SERVICES[name]["restart"] == expected


@pytest.mark.parametrize("name", [*DATABASES, "redis", "gateway", *PROJECTS])
def test_what_serves_has_a_health_check_without_a_secret(name: str) -> None:
    """`docker inspect` shows it. A file may be read where the check runs."""
    check = str(SERVICES[name].get("healthcheck", {}).get("test", ""))
    if "build" in SERVICES[name]:
        stage = STAGES[SERVICES[name]["build"]["target"]]
        (check,) = re.findall(
            r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", stage, re.MULTILINE
        )
    assert check
    for word in re.findall(r"(?i)\S*(?:password|secret|api_key)\S*", check):
        assert re.search(r"\$\$\(cat$|^/run/secrets/\w+", word), word


def test_health_is_asked_for_often_while_the_first_start_waits() -> None:
    intervals = re.findall(r"interval[:=] ?(\d+)s", COMMON.read_text() + DOCKERFILE)
    intervals += re.findall(r"interval: (\d+)s", (ROOT / "compose.yaml").read_text())
    assert len(intervals) == 4
    assert max(map(int, intervals)) <= 2


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
    redis = SERVICES["redis"]
    (settings,) = redis["entrypoint"][1:]
    mount = mounts_of("redis")[settings]
    assert mount["source"] == "./deploy/redis/redis.conf"
    assert redis["command"] == ["--aclfile", "/run/secrets/redis_users.acl"]
    lines = dict(
        line.split(" ", 1)
        for line in (ROOT / mount["source"]).read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert lines["save"] == '""'
    assert lines["appendonly"] == "no"
    assert lines["maxmemory-policy"] == "noeviction"
    assert lines["maxmemory"]


@pytest.mark.parametrize("name", PROJECTS)
def test_databases_have_the_roles_and_settings_of_native_ones(name: str) -> None:
    """LOG-01: no value of a statement, a key or a row in the log, ever."""
    database, mounts = SERVICES[f"{name}-db"], mounts_of(f"{name}-db")
    roles = mounts["/docker-entrypoint-initdb.d/roles.sql"]["source"]
    assert roles == "./deploy/postgres/roles.sql"
    needed = re.findall(r"MEMO_\w+", (ROOT / roles).read_text())
    assert set(needed) <= set(database["environment"])
    assert database["environment"]["MEMO_SERVICE"] == name
    settings = "/etc/postgresql/postgresql.conf"
    assert f"config_file={settings}" in database["command"]
    assert mounts[settings]["source"] == "./deploy/postgres/postgresql.conf"
    text = (ROOT / mounts[settings]["source"]).read_text()
    for line in ("log_error_verbosity = terse", "log_min_error_statement = panic"):
        assert line in text.splitlines()


def test_the_gateway_is_configured_by_the_one_renderer() -> None:
    """For all services at the port where they listen (nginx/tests/test_render.py)."""
    mount = mounts_of("gateway")["/etc/gateway"]
    assert mount["source"] == "./.run/compose/gateway"
    assert '"-c", "/etc/gateway/nginx.conf"]' in STAGES["gateway"]
    assert {SERVICES[name]["environment"]["BIND"] for name in PROJECTS} == {
        "0.0.0.0:8000"
    }
    for name in PROJECTS:
        condition = SERVICES["gateway"]["depends_on"][name]["condition"]
        assert condition == "service_healthy"


# ---- Images --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PROJECTS, "gateway"])
def test_images_end_as_an_ordinary_user(name: str) -> None:
    """OPS-04; compose.yaml names the one who may read the secrets."""
    stage = STAGES[SERVICES[name]["build"]["target"]]
    (user,) = re.findall(r"^USER (\S+)$", stage, flags=re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_images_are_built_from_hashed_wheels_and_end_in_gunicorn() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "--no-deps --no-build-isolation" in DOCKERFILE
    last = DOCKERFILE.strip().splitlines()[-1]
    assert last.startswith('CMD ["python", "-m", "gunicorn", ')
    assert "STOPSIGNAL SIGTERM" in STAGES["service"]
    assert "STOPSIGNAL SIGQUIT" in STAGES["gateway"]


def test_static_files_come_with_the_gateways_image() -> None:
    assert "collectstatic --no-input" in STAGES["static"]
    assert "COPY --from=static /srv/static /srv/static" in STAGES["gateway"]


def test_default_images_name_a_version() -> None:
    text = COMMON.read_text() + (ROOT / "compose.yaml").read_text() + DOCKERFILE
    for name in ("POSTGRES", "REDIS", "NGINX", "PYTHON"):
        assert re.search(rf"{name}_IMAGE(:-|=)[a-z]+:\d+[\w.-]*", text), name


def test_the_builder_sees_only_what_is_allowed() -> None:
    """An allow-list: no secret, key, setting, history or test is even sent to it."""
    text = (ROOT / ".dockerignore").read_text()
    rules = [line for line in text.splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    allowed = {rule.strip("!/") for rule in rules if rule.startswith("!")}
    # The build has no use for what no COPY names, but for collectstatic.
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    named = Counter(path.strip("/") for paths in copied for path in paths.split())
    paths = {path.replace("${SERVICE}", "*") for path in named} - {"."}
    paths = {path for path in paths if not path.startswith("--")}
    assert allowed == paths | {"deploy/compose/build.env"}
    last_allowed = max(i for i, rule in enumerate(rules) if rule.startswith("!"))
    assert {"**/tests", "**/.*", "**/*.pem"} <= set(rules[last_allowed + 1 :])


# What lies in a checkout that is in use, and must not lie in an image (OPS-04).
KEPT_OUT = [
    ".git/config", ".env", "auth_project/.env", "auth_project/.env.migrate",
    "auth_project/.env.example", ".secrets/auth_secret_key",
    ".secrets/keys/private/k.pem", "shared/key.pem", ".run/stacks/test/secrets/x",
    ".run/venv/bin/python", "auth_project/tests/test_login.py",
    "shared/tests/forgery.py", "nginx/render.py", "users_project/pytest.ini",
    "requirements/dev.txt", "bench/__main__.py", "README.md", "docs/index.md",
    "deploy/compose/try.sh", "shared/__pycache__/env.cpython-311.pyc",
    "memo_shared.egg-info/PKG-INFO", "auth_project/.ruff_cache/x",
    "compose.yaml", "users_project/compose.yaml", "core.1", "dump.sql",
]  # fmt: skip
NEEDED = [
    "shared/settings.py", "shared/db/base.py", "auth_project/config/wsgi.py",
    "users_project/users/migrations/__init__.py", "users_project/manage.py",
    "requirements/runtime.txt", "deploy/gunicorn.conf.py",
    "deploy/compose/healthcheck.sh", "deploy/compose/build.env",
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
