"""compose.yaml and those of added services, without an engine: who gets which settings
and secrets, and from whom.

`deploy/compose/try.sh` runs all of it for real where Docker is.
"""

import re

import pytest

from deploy.tests.compose.compose_file import (
    COMMON,
    COMPOSE,
    DATABASES,
    FILES,
    MIGRATIONS,
    PROJECTS,
    ROOT,
    SERVICES,
    WORKERS,
    mounts_of,
    secrets_of,
)

# What `init` writes into the root .env (deploy/tests/local/test_real_startservice.py).
FROM_INIT = {"MEMO_UID", "MEMO_GID", "GATEWAY_PUBLIC_URL"}


def test_every_project_is_in_it() -> None:
    programs = {*PROJECTS, *WORKERS, *MIGRATIONS, *DATABASES}
    assert {*programs, "redis", "gateway"} == set(SERVICES)


def test_only_the_gateway_publishes_a_port() -> None:
    """S2S-02."""
    assert [n for n, s in SERVICES.items() if "ports" in s] == ["gateway"]
    (port,) = SERVICES["gateway"]["ports"]
    assert port.startswith("${GATEWAY_BIND:-127.0.0.1}:")
    assert not any("network_mode" in service for service in SERVICES.values())


def test_images_have_the_name_of_the_compose_project() -> None:
    """Else one checkout's build replaces the images that another one runs."""
    for name in [*PROJECTS, *WORKERS, *MIGRATIONS, "gateway"]:
        service = name.removesuffix("-migrate").removesuffix("-worker")
        prefix = "${MEMO_IMAGE_PREFIX:-${COMPOSE_PROJECT_NAME}-}"
        assert SERVICES[name]["image"] == f"{prefix}{service}:${{MEMO_VERSION:-latest}}"
    assert "name" not in COMPOSE


# ---- Variables -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PROJECTS, *WORKERS, *MIGRATIONS])
def test_the_root_env_reaches_the_services(name: str) -> None:
    """All settings with a default come from there; the rest is given here. Production
    is the default."""
    assert SERVICES[name]["env_file"] == "./.env"
    project = name.removesuffix("-migrate").removesuffix("-worker")
    text = "".join(
        (ROOT / file).read_text()
        for file in ("shared/settings.py", f"{project}_project/config/settings.py")
    )
    needed = set(re.findall(r"env\.(?:str|list|folder|redis)\(\"([A-Z_]+)\"\)", text))
    given = {key.removesuffix("_FILE") for key in SERVICES[name]["environment"]}
    assert {"SECRET_KEY", "REDIS_URL", "JWT_ISSUER"} <= needed
    assert needed <= given
    environment = SERVICES[name]["environment"]
    assert environment["ENVIRONMENT"] == "${ENVIRONMENT:-production}"
    assert not {"DEBUG", "COOKIE_SECURE"} & environment.keys()


def test_what_must_be_set_is_set_by_init() -> None:
    text = "".join(file.read_text() for file in [COMMON, *FILES])
    required = re.findall(r"(?<!\$)\$\{([A-Z_]+)(?::\?[^}]*)?\}", text)
    assert set(required) == FROM_INIT | {"COMPOSE_PROJECT_NAME"}


# ---- Secrets (OPS-05) ----------------------------------------------------------------


def test_every_secret_is_a_file_of_its_own() -> None:
    for name, secret in COMPOSE["secrets"].items():
        ours = secret == {"file": f"./.secrets/{name}"}
        # Else of the operator, or nothing.
        assert ours or secret["file"].endswith(":-/dev/null}")


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_an_environment(name: str) -> None:
    """Only paths of files, and only of files that are mounted there."""
    mounted = secrets_of(name)
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|API_KEY", key):
            assert key.endswith("_FILE")
            assert value in mounted
        elif "_URL" in key:
            assert not re.search(r"//[^/@]*:[^/@]*@", value)


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_gets_a_secret_of_another(name: str) -> None:
    service = re.sub("-(migrate|db|worker)$", "", name)
    prefix = "tls" if name == "gateway" else service
    for source in secrets_of(name).values():
        assert source.startswith(f"{prefix}_")
    # While images are built, and only then.
    assert not {"pip_conf", "ca_bundle"} & set(secrets_of(name).values())


@pytest.mark.parametrize("name", PROJECTS)
def test_only_migrations_know_the_owner(name: str) -> None:
    """DATA-10."""
    service, migration = SERVICES[name], SERVICES[f"{name}-migrate"]
    assert f"{name}_db_owner_password" not in secrets_of(name).values()
    assert f"{name}_db_app_password" not in secrets_of(f"{name}-migrate").values()
    assert not [key for key in service["environment"] if key.startswith("MIGRATION_")]
    url = migration["environment"]["MIGRATION_DATABASE_URL"]
    assert url == f"postgres://{name}_owner@{name}-db:5432/{name}"
    assert "DATABASE_URL" not in migration["environment"]
    condition = service["depends_on"][f"{name}-migrate"]["condition"]
    assert condition == "service_completed_successfully"


def test_only_auth_signs() -> None:
    holders = {name for name in SERVICES if "/run/keys/private" in mounts_of(name)}
    assert holders == {"auth", "auth-migrate"}
    for name in PROJECTS:
        assert mounts_of(name)["/run/keys/public"]["read_only"]


# ---- Networks ------------------------------------------------------------------------


def test_who_reaches_whom() -> None:
    """The gateway reaches no store; a database, only its own service."""
    networks = {name: set(s["networks"]) for name, s in SERVICES.items()}
    for name in PROJECTS:
        members = {who for who, nets in networks.items() if f"{name}-data" in nets}
        workers = {f"{name}-worker"} & {*WORKERS}
        assert members == {name, f"{name}-migrate", f"{name}-db", *workers}
        assert networks[f"{name}-db"] == {f"{name}-data"}
    assert networks["gateway"] == {"public", "services"}
    assert networks["redis"] == {"cache"}
    cached = {who for who, nets in networks.items() if "cache" in nets}
    assert cached == {"redis", *PROJECTS}


def test_only_the_gateway_and_the_worker_have_a_way_out() -> None:
    """Each by a network of its own."""
    outward = {name for name, options in COMPOSE["networks"].items() if not options}
    assert outward == {"public", "egress"}
    members = {
        net: [n for n, s in SERVICES.items() if net in s["networks"]] for net in outward
    }
    assert members == {"public": ["gateway"], "egress": WORKERS}
    # It needs no Redis, and no service waits for it.
    assert {*SERVICES["users-worker"]["networks"]} == {
        "services",
        "users-data",
        "egress",
    }
    assert not [
        n for n, s in SERVICES.items() if {*WORKERS} & {*s.get("depends_on", {})}
    ]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_what_its_service_has(name: str) -> None:
    """But the port, and the DNS that knows our containers alone."""
    worker, service = SERVICES[name], SERVICES[name.removesuffix("-worker")]
    assert secrets_of(name) == secrets_of(name.removesuffix("-worker"))
    assert worker["environment"] == {
        key: value for key, value in service["environment"].items() if key != "BIND"
    }
    assert not {"ports", "dns", "build"} & worker.keys()
    migrated = worker["depends_on"][f"{name.removesuffix('-worker')}-migrate"]
    assert migrated["condition"] == "service_completed_successfully"


def test_a_rotation_of_api_keys_recreates_all_that_hold_one() -> None:
    """A container keeps the file that it was created with."""
    page = (ROOT / "docs/operations/key-rotation.md").read_text()
    recreated = re.findall(r"--force-recreate (auth users.*)", page)
    holders = {
        name
        for name, service in SERVICES.items()
        if re.search(r"_service_api_key|_internal_api_keys", str(service["secrets"]))
        and name in ("auth", "users", *WORKERS)  # not services of your own
    }
    assert [{*names.split()} for names in recreated] == 3 * [holders]


def test_host_names_have_no_underscore() -> None:
    """S2S-10."""
    assert not [name for name in SERVICES if "_" in name]
