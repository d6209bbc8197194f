"""Containers and images, without an engine: locked down, stopped gently, clean."""

import re

import pytest

from deploy.tests.compose.compose_file import (
    COMMON,
    DATABASES,
    DOCKERFILE,
    MIGRATIONS,
    PROJECTS,
    ROOT,
    SERVICES,
    WORKERS,
    mounts_of,
)

# The last stage of each image that is run.
STAGES = {
    stage.split()[2]: stage
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
}


VOLUMES = (
    "/var/lib/postgresql",
    "/var/lib/memo/erasures",
    "/var/lib/memo/metrics",
)


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].startswith("${MEMO_UID:?")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    limited = "256m" if name in ("gateway", "redis") else "${MEMO_MEMORY:-512m}"
    assert service["mem_limit"] == limited
    assert 0 < service["pids_limit"] <= 512
    assert service["cpus"] == "${MEMO_CPUS:-1}"
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "docker.sock" not in str(mounts_of(name))
    for way_out in ("pid", "ipc", "userns_mode", "cap_add", "devices", "cgroup_parent"):
        assert way_out not in service
    assert "privileged" not in service
    assert service["restart"] == ("no" if name in MIGRATIONS else "unless-stopped")
    for target, mount in mounts_of(name).items():
        if mount["type"] == "volume":
            assert target in VOLUMES
        else:
            assert mount["read_only"] is True
            assert mount["bind"] == {"create_host_path": False}
    # Elsewhere the second start may leave a folder only root can write to.
    known = {"/tmp", "/data", "/var/run/postgresql"}  # noqa: S108 (of a container)
    assert {entry.partition(":")[0] for entry in service["tmpfs"]} <= known
    assert all(":size=" in entry for entry in service["tmpfs"])


@pytest.mark.parametrize("name", [*DATABASES, "redis", "gateway", *PROJECTS, *WORKERS])
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


@pytest.mark.parametrize("name", [*PROJECTS, "gateway"])
def test_a_stop_waits_for_requests_in_flight(name: str) -> None:
    """OPS-02: longer than gunicorn's graceful_timeout."""
    assert SERVICES[name]["init"] is True
    assert SERVICES[name]["stop_grace_period"] == "35s"
    # Else a stopped Redis costs 10 s a request, whatever the timeouts (DATA-05).
    assert name == "gateway" or SERVICES[name]["dns"] == "127.0.0.1"


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_finishes_its_jobs_and_is_healthy_while_it_reports(name: str) -> None:
    worker = SERVICES[name]
    assert worker["command"][-2:] == ["--skip-checks", "worker"]
    assert worker["init"] is True
    assert worker["stop_grace_period"] == "35s"
    assert worker["healthcheck"]["test"] == ["CMD", "python", "-m", "users.jobs"]


@pytest.mark.parametrize("name", WORKERS)
def test_what_a_worker_counts_is_in_the_folder_of_its_service(name: str) -> None:
    """Any process of the service answers Prometheus for all that count there."""
    service, folders = name.removesuffix("-worker"), []
    for each in (service, name):
        folder = SERVICES[each]["environment"]["PROMETHEUS_MULTIPROC_DIR"]
        folders.append((folder, mounts_of(each)[folder]))
    assert folders[0] == folders[1]
    assert folders[0][1]["source"] == f"{service}-metrics"


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


def test_default_images_name_a_version() -> None:
    text = COMMON.read_text() + (ROOT / "compose.yaml").read_text() + DOCKERFILE
    for name in ("POSTGRES", "REDIS", "NGINX", "PYTHON"):
        assert re.search(rf"{name}_IMAGE(:-|=)[a-z]+:\d+[\w.-]*", text), name


def test_the_builder_sees_only_what_is_allowed() -> None:
    """OPS-04. An allow-list of what a COPY names; of that, no secret, key, setting,
    history or test is sent. The last rule that holds decides."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    allowed = [rule for rule in rules if rule.startswith("!")]
    assert rules[0] == "*"
    assert rules[1 : len(allowed) + 1] == allowed
    refused = {"**/tests", "**/.*", "**/*.pem", "**/pytest.ini", "**/compose.yaml"}
    assert refused <= {*rules[len(allowed) + 1 :]}
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", DOCKERFILE, re.M)
    paths = {path.strip("/") for line in copied for path in line.split()} - {"."}
    named = {path.replace("${SERVICE}", "*") for path in paths}
    for_collectstatic = {"deploy/compose/build.env"}
    assert {rule.strip("!/") for rule in allowed} == named | for_collectstatic
