"""What `init` writes, what it leaves to the user, and what has no effect."""

import os
import re
import shutil
from pathlib import Path

import pytest

from deploy.local.servers import application, gateway
from deploy.local.setup import configure, secretfiles
from deploy.local.setup.files import read_env, write_private
from deploy.local.setup.layout import Layout
from deploy.local.setup.ports import GATEWAY, Ports


@pytest.fixture
def written(layout: Layout, ports: Ports) -> Layout:
    configured(layout, ports)
    return layout


def configured(layout: Layout, ports: Ports) -> dict[str, str]:
    """As `init` does it. The settings of Compose."""
    secretfiles.ensure(layout)
    configure.write(layout, ports)
    return read_env(layout.gateway_env)


def env_of(layout: Layout, name: str) -> dict[str, str]:
    return read_env(layout.root / f"{name}_project" / ".env")


def test_new_files_are_for_development(written: Layout, ports: Ports) -> None:
    """Only auth may sign, and no service has the owner's role."""
    for name in ("auth", "users"):
        settings = env_of(written, name)
        assert settings["ENVIRONMENT"] == "development"
        assert settings["COOKIE_SECURE"] == "false"
        assert settings["BIND"] == f"127.0.0.1:{ports.chosen[name]}"
        assert settings["JWT_ISSUER"] == ports.url
        assert ("JWT_PRIVATE_KEYS_DIR" in settings) == (name == "auth")
        assert "owner" not in str(settings)
        owner = read_env(written.root / f"{name}_project" / ".env.migrate")
        assert f"{name}_owner@" in owner["MIGRATION_DATABASE_URL"]
    assert read_env(written.gateway_env)["GATEWAY_PUBLIC_URL"] == ports.url


def test_the_gateway_lets_the_pages_read_that_a_service_lets_read(
    written: Layout,
) -> None:
    assert gateway.allowed_origins(written) == ""
    lists = {
        "auth": "https://a.example",
        "users": "https://b.example,https://a.example",
    }
    for service in written.services:
        with service.env_file.open("a") as file:
            file.write(f"CORS_ALLOWED_ORIGINS={lists[service.name]}\n")
    assert gateway.allowed_origins(written) == "https://a.example,https://b.example"


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


def test_a_new_service_is_as_safe_as_those_that_are_there(
    written: Layout, ports: Ports
) -> None:
    """On a host in production it does not run as if in development."""
    notes = written.root / "notes_project"
    notes.mkdir()
    (notes / "manage.py").touch()
    ports.chosen["notes"] = 9001
    env = written.services[0].env_file
    text = env.read_text().replace("=development", "=production")
    text = text.replace("COOKIE_SECURE=false\n", "")
    env.write_text(text.replace("localhost,127.0.0.1,[::1]", ".example.org"))
    configure.write(Layout(written.root), ports)
    settings = read_env(notes / ".env")
    assert settings["ENVIRONMENT"] == "production"
    assert settings["COOKIE_SECURE"] == "true"
    assert settings["ALLOWED_HOSTS"] == ".example.org"


def test_addresses_follow_and_what_is_the_user_s_stays(
    written: Layout, ports: Ports
) -> None:
    auth, gateway = written.services[0].env_file, written.gateway_env
    auth.write_text(auth.read_text() + "JWT_LEEWAY=7\n")
    gateway.write_text(gateway.read_text().replace(ports.url, "https://memo.example"))
    ports.chosen |= {"users": 9000, GATEWAY: 9080}
    ports.url = "http://localhost:9080"
    configure.write(written, ports)
    settings, found = env_of(written, "auth"), read_env(gateway)
    assert settings["USERS_SERVICE_URL"] == "http://127.0.0.1:9000"
    assert settings["JWT_LEEWAY"] == "7"
    assert settings["JWT_ISSUER"] == found["GATEWAY_PUBLIC_URL"]
    assert found["GATEWAY_PUBLIC_URL"] == "https://memo.example"
    assert found["GATEWAY_PORT"] == "9080"


def test_a_second_time_changes_nothing(written: Layout, ports: Ports) -> None:
    paths = [*written.all_env_files().values(), *written.secrets.iterdir()]
    before = {path: path.read_text() for path in paths if path.is_file()}
    configure.write(written, ports)
    secretfiles.ensure(written)
    assert before == {path: path.read_text() for path in before}


def test_a_key_of_second_factors_that_is_missed_is_not_just_made(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where databases are, there may be secrets under keys that are lost."""
    others = "restore them from a backup now"
    secretfiles.ensure(layout)
    first = capsys.readouterr().out
    assert "new key" in first
    assert others not in first
    layout.data_folder(layout.services[1], 15).mkdir(parents=True)
    secretfiles.ensure(layout)
    assert not capsys.readouterr().out
    shutil.rmtree(layout.secrets / secretfiles.FACTOR_KEYS)
    secretfiles.ensure(layout)
    assert others in capsys.readouterr().out


def test_no_secret_is_in_an_env_file(written: Layout) -> None:
    """Secrets are made once, and each of them is another."""
    paths = [p for p in written.secrets.iterdir() if p.name.endswith(("key", "word"))]
    values = {path.read_text() for path in paths}
    assert len(values) == len(paths) == 15
    assert all(len(value) == 64 for value in values)
    for path in written.all_env_files().values():
        assert path.stat().st_mode & 0o777 == 0o600
        assert not [value for value in values if value in path.read_text()]


def test_a_process_has_only_what_it_should_of_a_shell_and_of_the_owner(
    written: Layout,
) -> None:
    auth = written.services[0]
    plain = application.environment(written, auth)
    assert not {"MIGRATION_DATABASE_URL", "LOG_LEVEL"} & set(plain)
    owner = application.environment(written, auth, owner=True)
    assert owner["MIGRATION_DATABASE_URL"].startswith("postgres://auth_owner@")
    shell = {"LOG_LEVEL": "DEBUG", "PYTHONPATH": "/x", "MEMO_STACK": "x", "PATH": "/y"}
    env = application.environment(written, auth, caller=shell)
    assert (env["LOG_LEVEL"], env["PATH"]) == ("DEBUG", "/y")
    assert not {"PYTHONPATH", "MEMO_STACK"} & set(env)


def test_only_auth_may_write_sessions(written: Layout) -> None:
    text = (written.secrets / "redis_users.acl").read_text()
    assert all(line.startswith("user ") for line in text.splitlines())
    assert text.startswith("user default off ")
    users = dict(re.findall(r"^user (\w+) (.*)$", text, re.MULTILINE))
    assert " ~session:* " in users["auth"]
    assert " %R~session:* " in users["users"]
    assert "-@dangerous" in users["auth"]


def test_a_service_that_goes_leaves_no_key_and_no_user(
    written: Layout, ports: Ports
) -> None:
    """Compose learns of both directions, and a caller from elsewhere stays."""
    before = read_env(written.gateway_env)
    path = written.secrets / "users_internal_api_keys"
    secretfiles.write_callers(path, [*secretfiles.callers(path), ("outside", "x" * 64)])
    project = written.root / "extra_project"
    project.mkdir()
    (project / "manage.py").touch()
    ports.chosen["extra"] = 9100
    layout = Layout(written.root)
    during = configured(layout, ports)
    assert "extra" in dict(secretfiles.callers(path))
    assert "user extra on" in (layout.secrets / "redis_users.acl").read_text()
    shutil.rmtree(project)
    after = configured(Layout(written.root), ports)
    assert set(dict(secretfiles.callers(path))) == {"auth", "metrics", "outside"}
    assert "extra" not in (layout.secrets / "redis_users.acl").read_text()
    for name in ("MEMO_SECRETS_REVISION", "MEMO_REDIS_REVISION"):
        assert len({x[name] for x in (before, during)}) == 2
    assert after["MEMO_REDIS_REVISION"] == before["MEMO_REDIS_REVISION"]
    assert after["MEMO_SECRETS_REVISION"] != during["MEMO_SECRETS_REVISION"]


def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path,
) -> None:
    """Or `restart` would stop a service that cannot start again."""
    file = tmp_path / ".env"
    file.write_bytes(b"A=1\n# M\xfcller\n")
    with pytest.raises(OSError, match="line 2 is not UTF-8"):
        read_env(file)
    file.chmod(0)
    with pytest.raises(PermissionError):
        read_env(file)


# What a service says that it reads.
OUTPUTS = {
    "auth": "names: JWT_LEEWAY JWT_LEEWAY_FILE",
    "users": "x\nnames: ARGON2_TIME_COST",
}


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("auth_project/.env", "jwt_leewy=1\n", "jwt_leewy .* mean JWT_LEEWAY?"),
        ("auth_project/.env", "JWT_LEEWAY: 1\n", "line 1 is neither"),
        ("auth_project/.env", "JWT_LEEWAY=1\n" * 2, "JWT_LEEWAY is set twice"),
        ("auth_project/.env", "JWT_LEEWAY_FILE=a\nJWT_LEEWAY=1\n", "_LEEWAY counts"),
        ("auth_project/.env", "ARGON2_TIME_COST=1\n", "users reads it"),
        ("users_project/.env", "GATEWAY_PORT=1\n", "the gateway reads it"),
        (".env", "GATEWAY_PROT=1\n", "GATEWAY_PROT .* mean GATEWAY_PORT?"),
        # Compose passes the services' settings on from the file of the gateway.
        (".env", "COMPOSE_FILE=a\nMEMO_UID=1\nJWT_LEEWAY=1\n", ""),
        ("auth_project/.env", "# a comment\n\nexport JWT_LEEWAY=1\n", ""),
        ("auth_project/.env", "NOTES_SERVICE_URL=http://x\nSOMETHING=1\n", ""),
    ],
)
def test_a_setting_without_effect_is_named_and_no_other(
    layout: Layout, file: str, text: str, fault: str
) -> None:
    (layout.root / "nginx").mkdir()
    (layout.root / "nginx" / "render.py").write_text('"GATEWAY_PORT", "GATEWAY_BIND"')
    (layout.root / file).write_text(text)
    found = list(configure.faults(layout, OUTPUTS))
    assert len(found) == bool(fault)
    for each in found:
        assert re.match(f"{file}: .*{fault}".replace("?", r"\?"), each)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "BIND=127.0.0.1:2\nNEW=x\n"),
        ("# mine\nBIND=127.0.0.1:1\n", "# mine\nBIND=127.0.0.1:2\nNEW=x\n"),
        ('BIND="127.0.0.1:1"\nNEW=y\n', "BIND=127.0.0.1:2\nNEW=y\n"),
        ("BIND=0.0.0.0:1\nNEW=\n", "BIND=0.0.0.0:1\nNEW=\n"),
        ("MEMO_UID=1\nNEW=\n", "NEW=\nBIND=127.0.0.1:2\n"),
        ("what is this\n", "what is this\nBIND=127.0.0.1:2\nNEW=x\n"),
    ],
)
def test_a_file_is_completed_and_only_our_values_change(
    before: str, after: str
) -> None:
    assert configure.complete(before, "BIND=127.0.0.1:2\nNEW=x\n") == after


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_link_in_a_folder_of_root_s_is_not_followed(tmp_path: Path) -> None:
    """There is no renaming into such a folder, so the file is written in place."""
    target, folder = tmp_path / "target", tmp_path / "closed"
    folder.mkdir()
    target.write_text("old")
    (folder / "link").symlink_to(target)
    folder.chmod(0o500)
    with pytest.raises(OSError, match="symbolic links"):
        write_private(folder / "link", "new")
    folder.chmod(0o700)  # so that it can be removed
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    "line",
    [
        "DATABASE_URL=postgres://auth_app@//var/run/postgresql/auth",
        "DATABASE_URL=postgres://auth_app@//srv/db/auth-db/auth",
        "MIGRATION_DATABASE_URL=postgres://auth_owner@//var/run/postgresql/auth",
        "REDIS_URL=unix://auth@/run/redis/redis.sock",
        "BILLING_SERVICE_URL=http://127.0.0.1:9000",
    ],
)
def test_servers_of_the_user_s_own_on_this_machine_stay(
    written: Layout, ports: Ports, line: str
) -> None:
    """`up` must not lead a service to an empty database of ours."""
    name = line.partition("=")[0]
    path = written.services[0].env_file
    if name.startswith("MIGRATION"):
        path = written.services[0].migrate_env_file
    kept = [x for x in path.read_text().splitlines() if not x.startswith(f"{name}=")]
    path.write_text("\n".join([line, *kept, ""]))
    configure.write(written, ports)
    assert path.read_text().splitlines().count(line) == 1
    assert path.read_text().count(f"\n{name}=") == 0


@pytest.mark.parametrize("stack", ["", "test"])
def test_stores_of_ours_follow_a_checkout_that_has_moved(
    layout: Layout, ports: Ports, stack: str
) -> None:
    """Also out of the long path of another one, whose sockets are in /tmp."""
    for folder in (layout.root / ("x" * 80), layout.root / "moved"):
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("auth", "users"):
            (folder / f"{name}_project").mkdir(parents=True)
            (folder / f"{name}_project" / "manage.py").touch()
    older = Layout(layout.root / ("x" * 80), stack)
    newer = Layout(layout.root / "moved", stack)
    for before, after in ((older, newer), (newer, older)):
        for each in (before, after):
            each.make_folders()
        configured(before, ports)
        for name, path in before.all_env_files().items():
            write_private(after.all_env_files()[name], path.read_text())
        configure.write(after, ports)
        texts = [path.read_text() for path in after.all_env_files().values()]
        assert not [text for text in texts if str(before.sockets) in text]
        assert [text for text in texts if str(after.sockets) in text]
    shutil.rmtree(older.sockets)
