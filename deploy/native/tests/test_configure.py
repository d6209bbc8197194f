"""Settings, ports and secrets: made once, kept, completed."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.native import (
    addresses,
    assembly,
    configure,
    ports,
    provisioning,
    redis,
    secretfiles,
)
from deploy.native.envfiles import read
from deploy.native.layout import LONGEST_SOCKET_FOLDER, Layout, of
from deploy.native.problems import PORT_IN_USE, Problem
from deploy.native.services import Service, discover

PLAIN = re.compile(r"[A-Za-z0-9_./:@=,+\[\]-]*")


def write(layout: Layout, services: Sequence[Service]) -> None:
    chosen = addresses.choose(layout, services)
    provisioning.write_settings(layout, services, chosen)


def test_new_keys_need_no_start_and_new_secrets_do(
    layout: Layout, services: list[Service]
) -> None:
    write(layout, services)
    for name in ("requirements/runtime.txt", "deploy/gunicorn.conf.py"):
        (layout.root / name).parent.mkdir(exist_ok=True)
        (layout.root / name).touch()
    (layout.keys / "private").mkdir(parents=True)
    before = assembly.fingerprint(layout, services)

    (layout.keys / "private" / "keyring.json").write_text("{}")
    (layout.keys / "private" / "x.pem").write_text("x")
    assert assembly.fingerprint(layout, services) == before

    (layout.secrets / "auth_secret_key").write_text("another")
    assert assembly.fingerprint(layout, services) != before


def test_ports_are_chosen_once(layout: Layout, services: list[Service]) -> None:
    write(layout, services)
    first = addresses.written(layout, services)
    write(layout, services)
    assert addresses.written(layout, services) == first
    assert first == addresses.choose(layout, services)


def test_a_port_asked_for_moves_every_address(
    layout: Layout, services: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(layout, services)
    monkeypatch.setenv("GATEWAY_PORT", "18123")
    monkeypatch.setenv("USERS_PORT", "18124")
    write(layout, services)
    gateway = read(layout.gateway_env)
    auth = read(services[0].env_file(layout))
    assert gateway["GATEWAY_PORT"] == "18123"
    assert gateway["GATEWAY_PUBLIC_URL"] == "http://localhost:18123"
    assert auth["JWT_ISSUER"] == "http://localhost:18123"
    assert auth["USERS_SERVICE_URL"] == "http://127.0.0.1:18124"


def test_the_issuer_follows_a_public_url_of_ones_own(
    layout: Layout, services: list[Service]
) -> None:
    layout.gateway_env.write_text("GATEWAY_PUBLIC_URL=https://memo.example\n")
    write(layout, services)
    assert read(services[0].env_file(layout))["JWT_ISSUER"] == "https://memo.example"


def test_port_80_is_not_part_of_the_url(
    layout: Layout, services: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "80")
    write(layout, services)
    assert configure.public_url(layout) == "http://localhost"


def test_stacks_of_one_checkout_share_no_port(
    layout: Layout, services: list[Service], root: Path
) -> None:
    write(layout, services)
    second = of(root, "second")
    second.make_folders()
    write(second, services)
    one, two = (addresses.written(each, services) for each in (layout, second))
    assert one is not None
    assert two is not None
    assert not {*one.services.values(), one.gateway} & {
        *two.services.values(),
        two.gateway,
    }


def test_every_value_reads_the_same_in_bash_and_compose(
    layout: Layout, services: list[Service]
) -> None:
    write(layout, services)
    files = [layout.gateway_env]
    for service in services:
        files += [service.env_file(layout), service.migrate_env_file(layout)]
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600
        for value in read(path).values():
            assert PLAIN.fullmatch(value), value


def test_no_secret_is_in_an_env_file(layout: Layout, services: list[Service]) -> None:
    write(layout, services)
    texts = [service.env_file(layout).read_text() for service in services]
    for path in layout.secrets.iterdir():
        if path.is_file():
            assert not any(path.read_text() in text for text in texts)


def test_secrets_are_private_long_and_made_once(
    layout: Layout, services: list[Service]
) -> None:
    made = secretfiles.ensure(layout, services)
    before = {path.name: path.read_text() for path in layout.secrets.iterdir()}
    assert secretfiles.ensure(layout, services) == []
    assert {path.name: path.read_text() for path in layout.secrets.iterdir()} == before
    assert {"auth_secret_key", "users_redis_password"} <= set(made)
    for name in made:
        assert len(before[name]) >= 50
        assert (layout.secrets / name).stat().st_mode & 0o777 == 0o600


def test_what_one_presents_the_other_accepts(
    layout: Layout, services: list[Service]
) -> None:
    secretfiles.ensure(layout, services)
    presented = (layout.secrets / "users_auth_service_api_key").read_text()
    accepted = (layout.secrets / "auth_internal_api_keys").read_text()
    assert accepted == f"users={presented}"


def test_a_new_service_is_let_in_and_rotating_keys_stay(
    layout: Layout, services: list[Service], root: Path
) -> None:
    secretfiles.ensure(layout, services)
    path = layout.secrets / "auth_internal_api_keys"
    rotating = f"{path.read_text()},users=the-next-key"
    path.write_text(rotating)
    (root / "billing_project").mkdir()
    (root / "billing_project" / "manage.py").touch()
    secretfiles.ensure(layout, discover(root))
    presented = (layout.secrets / "billing_auth_service_api_key").read_text()
    assert path.read_text() == f"{rotating},billing={presented}"


def test_only_auth_may_write_sessions() -> None:
    text = redis.acl({"auth": "aa", "users": "bb", "billing": "cc", "admin": "dd"})
    lines = dict(
        zip(
            ("default", "admin", "auth", "billing", "users"),
            text.splitlines(),
            strict=False,
        )
    )
    assert all(line.startswith("user ") for line in lines.values())
    assert lines["default"].startswith("user default off")
    assert " ~session:* ~auth:* " in lines["auth"]
    assert " %R~session:* ~users:* " in lines["users"]
    assert " %R~session:* ~billing:* " in lines["billing"]
    for name in ("auth", "users", "billing"):
        assert "-@dangerous" in lines[name]
        assert "-@all" in lines[name]
    assert "#aa" in lines["auth"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_noticed(listener: Callable[[str], int], host: str) -> None:
    port = listener(host)
    assert not ports.is_free(port)
    assert ports.choose(port, ()) > port
    with pytest.raises(Problem, match=rf"Port {port} \(users\) is used") as caught:
        ports.insist_on_free(port, "users", "Do something else.")
    assert caught.value.code == PORT_IN_USE


def test_a_port_in_use_by_ipv6_alone_is_noticed(
    listener: Callable[[str], int],
) -> None:
    try:
        port = listener("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert not ports.is_free(port)


@pytest.mark.parametrize("text", ["", "0", "65536", "80a", "-1", "²"])
def test_what_is_not_a_port_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="not a port"):
        ports.parse(text, "GATEWAY_PORT")


def test_long_paths_get_their_sockets_elsewhere(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("x" * LONGEST_SOCKET_FOLDER))
    assert len(str(deep.sockets)) < LONGEST_SOCKET_FOLDER
    assert deep.sockets != Layout(tmp_path / ("y" * LONGEST_SOCKET_FOLDER)).sockets


def test_paths_with_spaces_get_their_sockets_elsewhere() -> None:
    assert " " not in str(Layout(Path("/srv/my memo")).sockets)


@pytest.mark.parametrize("name", ["Test", "a b", "../x", "-x", "x" * 17])
def test_odd_stack_names_are_refused(root: Path, name: str) -> None:
    with pytest.raises(Problem, match="not a stack"):
        of(root, name)


def test_services_are_found_by_their_folders(root: Path) -> None:
    for name in ("billing", "archive"):
        (root / f"{name}_project").mkdir()
        (root / f"{name}_project" / "manage.py").touch()
    (root / "empty_project").mkdir()
    found = {service.name: service.preferred_port for service in discover(root)}
    assert found == {"archive": 8002, "auth": 8001, "billing": 8003, "users": 8000}
