"""compose.yaml and those of added services, without an engine: who gets which settings
and secrets, and from whom.

`deploy/compose/try.sh` runs all of it for real where Docker is.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.native import configure, envfiles, secretfiles
from deploy.native.addresses import Addresses
from deploy.native.layout import Layout
from deploy.native.services import discover
from nginx.tests.compose_file import (
    COMPOSE,
    DATABASES,
    FILES,
    MIGRATIONS,
    PROJECTS,
    ROOT,
    SERVICES,
    mounts_of,
    secrets_of,
)
from shared.ratelimit_defaults import DEFAULTS

sys.path[:0] = [str(ROOT / "nginx")]

from gateway_settings import SETTINGS  # noqa: E402

# Mounted while images are built, and only then.
BUILD_ONLY = {"pip_conf", "ca_bundle"}


def variables(text: str) -> Iterator[tuple[str, str]]:
    """Each `${NAME...}` of the file, as its name and what follows it."""
    yield from re.findall(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}", text)


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """What `init` makes, apart from the keys."""
    layout = Layout(tmp_path_factory.mktemp("checkout"))
    layout.make_folders()
    secretfiles.ensure(layout, discover(ROOT))
    return layout


@pytest.fixture(scope="module")
def root_env() -> dict[str, str]:
    """The root .env as `init` writes it."""
    ports = dict.fromkeys(PROJECTS, 8000)
    settings = configure.gateway_settings(Addresses(ports, 8080))
    return envfiles.parse(envfiles.complete("", settings, ""))


def test_compose_itself_accepts_the_file(root_env: dict[str, str]) -> None:
    command = compose_command()
    if not command:
        pytest.skip("DOCKER COMPOSE V2 IS NOT HERE: compose.yaml is only parsed")
    files = [word for file in FILES for word in ("-f", str(file))]
    arguments = [*command, *files, "config", "--quiet"]
    env = {**os.environ, **root_env}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def compose_command() -> list[str]:
    """Compose v2, as a plugin of docker or standing alone; empty without it."""
    candidates = [[shutil.which("docker"), "compose"], [shutil.which("docker-compose")]]
    for candidate in candidates:
        command = [word for word in candidate if word]
        if candidate[0] is None:
            continue
        done = subprocess.run(
            [*command, "version", "--short"], capture_output=True, text=True
        )
        if done.returncode == 0 and done.stdout.lstrip("v").startswith(("2", "3", "5")):
            return command
    return []


def test_every_project_is_in_it() -> None:
    expected = {*PROJECTS, *MIGRATIONS, *DATABASES}
    assert expected | {"redis", "gateway-config", "gateway"} == set(SERVICES)


def test_only_the_gateway_publishes_a_port() -> None:
    """S2S-02."""
    assert [n for n, s in SERVICES.items() if "ports" in s] == ["gateway"]
    (port,) = SERVICES["gateway"]["ports"]
    assert port.startswith("${GATEWAY_BIND:-127.0.0.1}:")
    assert not any("network_mode" in SERVICES[name] for name in PROJECTS)


# ---- Variables -----------------------------------------------------------------------


@pytest.mark.parametrize("name", PROJECTS)
def test_a_service_gets_the_variables_of_its_example(name: str) -> None:
    example = envfiles.read(ROOT / f"{name}_project" / ".env.example")
    assert set(example) <= set(SERVICES[name]["environment"])


@pytest.mark.parametrize("name", PROJECTS)
def test_a_service_gets_every_variable_its_settings_read(name: str) -> None:
    """Or is built without it on purpose, where the code's default is the right one."""
    files = [ROOT / "shared/settings.py", ROOT / f"{name}_project/config/settings.py"]
    text = "".join(file.read_text() for file in files)
    read = set(re.findall(r"env\.(?!database)\w+\(\s*\"([A-Z_]+)\"", text))
    given = {key.removesuffix("_FILE") for key in SERVICES[name]["environment"]}
    others = {f"{name.upper()}_SERVICE_URL", f"{name.upper()}_SERVICE_API_KEY"}
    assert read - given - others == set()


def test_the_user_service_gets_the_limits_it_counts() -> None:
    assert set(DEFAULTS) <= set(SERVICES["users"]["environment"])


@pytest.mark.parametrize("name", [*PROJECTS, *MIGRATIONS])
def test_production_is_the_default(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment["ENVIRONMENT"] == "${ENVIRONMENT:-production}"
    assert environment["DEBUG"] is None
    assert environment["COOKIE_SECURE"] is None


def test_the_gateway_gets_all_of_its_settings() -> None:
    for name in ("gateway-config", "gateway"):
        found = SERVICES[name]["environment"]
        upstreams = {f"GATEWAY_UPSTREAM_{service.upper()}" for service in PROJECTS}
        assert set(found) == set(SETTINGS) | upstreams


def test_what_must_be_set_is_set_by_init(root_env: dict[str, str]) -> None:
    used = dict(variables("".join(file.read_text() for file in FILES)))
    required = {name for name, rest in used.items() if not rest or rest[:2] == ":?"}
    assert required == {"MEMO_UID", "MEMO_GID", "GATEWAY_PUBLIC_URL"}
    assert required <= set(root_env)
    assert {"ENVIRONMENT", "COOKIE_SECURE", "GATEWAY_PORT"} <= set(root_env)


# ---- Secrets (OPS-05) ----------------------------------------------------------------


def test_every_secret_is_a_file_that_init_makes(initialised: Layout) -> None:
    made = {path.name for path in initialised.secrets.iterdir()}
    for name, secret in COMPOSE["secrets"].items():
        if secret["file"].startswith("./"):
            assert secret["file"] == f"./.secrets/{name}"
            assert name in made
        else:
            # Of the operator, or nothing.
            assert secret["file"].endswith(":-/dev/null}")
    ours = {name for name, s in COMPOSE["secrets"].items() if "/dev/null" not in str(s)}
    assert ours <= made
    # Keys by which nobody calls yet are made, and given to no container.
    callers = "|".join(PROJECTS)
    others = re.compile(rf"({callers})_({callers})_service_api_key")
    assert not [name for name in made - ours if not others.fullmatch(name)]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_an_environment(name: str) -> None:
    """Only paths of files, and only of files that are mounted there."""
    mounted = secrets_of(name)
    for key, value in SERVICES[name].get("environment", {}).items():
        if "_TLS_" in key:
            assert any(path in value for path in mounted)
        elif re.search(r"(PASSWORD|SECRET|API_KEY)(?!_MIN_LENGTH|_LIMIT)", key):
            assert key.endswith("_FILE")
            assert value in mounted
        elif "_URL" in key:
            assert not re.search(r"//[^/@]*:[^/@]*@", value or "")


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_gets_a_secret_of_another(name: str) -> None:
    service = name.removesuffix("-migrate").removesuffix("-db")
    prefix = {"gateway-config": "tls", "gateway": "tls"}.get(name, service)
    for source in secrets_of(name).values():
        assert source.startswith(f"{prefix}_")
        assert source not in BUILD_ONLY


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
    assert migration["image"] == service["image"]
    condition = service["depends_on"][f"{name}-migrate"]["condition"]
    assert condition == "service_completed_successfully"


def test_only_auth_signs() -> None:
    holders = {name for name in SERVICES if "keys/private" in mounts_of(name)}
    assert holders == {"auth", "auth-migrate"}
    for name in PROJECTS:
        assert "keys/public" in mounts_of(name)


# ---- Networks ------------------------------------------------------------------------


def test_who_reaches_whom() -> None:
    """The gateway reaches no store; a database, only its own service."""
    networks = {name: set(s.get("networks", [])) for name, s in SERVICES.items()}
    for name in PROJECTS:
        members = {who for who, nets in networks.items() if f"{name}-data" in nets}
        assert members == {name, f"{name}-migrate", f"{name}-db"}
        assert networks[f"{name}-db"] == {f"{name}-data"}
    assert networks["gateway"] == {"public", "services"}
    assert networks["redis"] == {"cache"}
    assert {who for who, nets in networks.items() if "cache" in nets} == {
        "redis",
        *PROJECTS,
    }
    assert SERVICES["gateway-config"]["network_mode"] == "none"


def test_only_the_gateway_has_a_way_out() -> None:
    networks = COMPOSE["networks"]
    outward = {name for name, options in networks.items() if not options}
    assert outward == {"public"}
    assert [n for n, s in SERVICES.items() if "public" in s.get("networks", [])] == [
        "gateway"
    ]


def test_host_names_have_no_underscore() -> None:
    """S2S-10."""
    assert not [name for name in SERVICES if "_" in name]
