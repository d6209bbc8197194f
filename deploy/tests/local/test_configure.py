"""What `init` writes, and what it leaves to the user."""

import re

import pytest

from deploy.local import application, configure, secretfiles
from deploy.local.files import read_env
from deploy.local.layout import Layout
from deploy.local.ports import GATEWAY, Ports


@pytest.fixture
def written(layout: Layout, ports: Ports) -> Layout:
    configure.write(layout, ports)
    return layout


def env_of(layout: Layout, name: str) -> dict[str, str]:
    return read_env(layout.root / f"{name}_project" / ".env")


def test_new_files_are_for_development(written: Layout, ports: Ports) -> None:
    for name in ("auth", "users"):
        settings = env_of(written, name)
        assert settings["ENVIRONMENT"] == "development"
        assert settings["COOKIE_SECURE"] == "false"
        assert settings["BIND"] == f"127.0.0.1:{ports.chosen[name]}"
        assert settings["JWT_ISSUER"] == ports.url
    assert read_env(written.gateway_env)["GATEWAY_PUBLIC_URL"] == ports.url


def test_a_file_that_is_there_never_gets_what_makes_it_unsafe(
    layout: Layout, ports: Ports
) -> None:
    """Without these lines production holds, as the docs say."""
    files = [layout.gateway_env, layout.root / "auth_project" / ".env"]
    for path in files:
        path.write_text("LOG_LEVEL=DEBUG\n")
    configure.write(layout, ports)
    for path in files:
        assert not {"ENVIRONMENT", "COOKIE_SECURE"} & set(read_env(path))
        assert read_env(path)["LOG_LEVEL"] == "DEBUG"
    assert env_of(layout, "auth")["SECRET_KEY_FILE"]


def test_a_second_time_changes_nothing(written: Layout, ports: Ports) -> None:
    paths = [written.gateway_env, *written.root.glob("*/.env*")]
    before = {path: path.read_bytes() for path in paths}
    configure.write(written, ports)
    assert before == {path: path.read_bytes() for path in paths}


def test_addresses_follow_and_what_is_the_user_s_stays(
    written: Layout, ports: Ports
) -> None:
    auth = written.root / "auth_project" / ".env"
    gateway = written.gateway_env
    auth.write_text(auth.read_text() + "JWT_LEEWAY=7\n")
    text = gateway.read_text()
    gateway.write_text(text.replace(ports.url, "https://memo.example"))
    ports.chosen |= {"users": 9000, GATEWAY: 9080}
    ports.url = "http://localhost:9080"
    configure.write(written, ports)
    settings = env_of(written, "auth")
    assert settings["USERS_SERVICE_URL"] == "http://127.0.0.1:9000"
    assert settings["JWT_LEEWAY"] == "7"
    assert settings["JWT_ISSUER"] == "https://memo.example"
    found = read_env(gateway)
    assert found["GATEWAY_PORT"] == "9080"
    assert found["GATEWAY_PUBLIC_URL"] == "https://memo.example"


def test_only_auth_may_sign_and_no_service_has_the_owner_s_role(
    written: Layout,
) -> None:
    assert "JWT_PRIVATE_KEYS_DIR" in env_of(written, "auth")
    assert "JWT_PRIVATE_KEYS_DIR" not in env_of(written, "users")
    for name in ("auth", "users"):
        assert "owner" not in (written.root / f"{name}_project" / ".env").read_text()
        owner = read_env(written.root / f"{name}_project" / ".env.migrate")
        assert f"{name}_owner@" in owner["MIGRATION_DATABASE_URL"]


def test_no_secret_is_in_an_env_file(written: Layout) -> None:
    secretfiles.ensure(written)
    values = [p.read_text() for p in written.secrets.iterdir() if p.is_file()]
    for path in [written.gateway_env, *written.root.glob("*/.env*")]:
        assert path.stat().st_mode & 0o777 == 0o600
        assert not [value for value in values if value in path.read_text()]


def test_compose_reads_the_files_that_services_bring(
    written: Layout, ports: Ports
) -> None:
    assert "COMPOSE_FILE" not in read_env(written.gateway_env)
    file = written.root / "users_project" / "compose.yaml"
    file.touch()
    configure.write(written, ports)
    value = read_env(written.gateway_env)["COMPOSE_FILE"]
    assert value == "compose.yaml:users_project/compose.yaml"
    file.unlink()
    configure.write(written, ports)
    assert "COMPOSE_FILE" not in read_env(written.gateway_env)


# --- The environment of processes -----------------------------------------------------


def test_the_owner_s_role_is_for_who_asks(written: Layout) -> None:
    service = written.services[0]
    assert "MIGRATION_DATABASE_URL" not in application.environment(written, service)
    env = application.environment(written, service, owner=True)
    assert env["MIGRATION_DATABASE_URL"].startswith("postgres://auth_owner@")


def test_a_shell_s_variables_reach_commands_and_no_server(written: Layout) -> None:
    service = written.services[0]
    shell = {"LOG_LEVEL": "DEBUG", "PYTHONPATH": "/x", "MEMO_STACK": "x", "PATH": "/y"}
    env = application.environment(written, service, caller=shell)
    assert (env["LOG_LEVEL"], env["PATH"]) == ("DEBUG", "/y")
    assert not {"PYTHONPATH", "MEMO_STACK"} & set(env)
    assert "LOG_LEVEL" not in application.environment(written, service)


# --- Secrets --------------------------------------------------------------------------


def test_secrets_are_made_once(written: Layout) -> None:
    secretfiles.ensure(written)
    before = {p.name: p.read_text() for p in written.secrets.iterdir() if p.is_file()}
    secretfiles.ensure(written)
    after = {p.name: p.read_text() for p in written.secrets.iterdir() if p.is_file()}
    assert after == before
    random = [v for n, v in before.items() if n.endswith(("_key", "_password"))]
    assert len(set(random)) == len(random) == 13
    assert all(len(value) == 64 for value in random)


def test_only_auth_may_write_sessions(
    written: Layout,
) -> None:
    secretfiles.ensure(written)
    text = (written.secrets / "redis_users.acl").read_text()
    assert all(line.startswith("user ") for line in text.splitlines())
    assert text.startswith("user default off ")
    users = dict(re.findall(r"^user (\w+) (.*)$", text, re.MULTILINE))
    assert " ~session:* " in users["auth"]
    assert " %R~session:* " in users["users"]
    assert "-@dangerous" in users["auth"]
    for user in ("auth", "users"):
        password = (written.secrets / f"{user}_redis_password").read_text()
        assert password not in text
