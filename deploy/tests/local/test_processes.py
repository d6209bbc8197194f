"""Whether a program answers, wherever its settings let it listen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local import doctor
from deploy.local.servers import processes
from deploy.local.setup import ports
from deploy.local.setup.files import write_private
from deploy.local.setup.layout import Layout
from deploy.local.setup.ports import GATEWAY
from nginx.tests.stub_service import Stub


@contextmanager
def ready_for(host: str, address: str) -> Iterator[int]:
    """A server at this address that is ready, and serves one host only; returns its
    port."""
    with Stub(host=address) as stub:
        stub.answer = lambda handler: handler.reply(
            200 if handler.headers["Host"] == host else 421, {}
        )
        yield stub.server_address[1]


@pytest.mark.parametrize("bind", ["127.0.0.2", "0.0.0.0", "[::1]", "[::]"])
def test_a_service_is_asked_where_it_listens(bind: str) -> None:
    """BIND may be the address that other hosts call (docs/operations/scaling.md)."""
    with ready_for("localhost", bind.strip("[]")) as port:
        assert processes.serves(f"{bind}:{port}", "auth")
    assert not processes.serves(f"{bind}:{port}", "auth")
    assert not processes.serves("", "auth")


@pytest.mark.parametrize(
    ("settings", "host", "address"),
    [
        ("", "localhost", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=memo.example.org", "memo.example.org", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=memo.example, localhost", "localhost", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=.example.org", "example.org", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=*.example.org", "memo.example.org", "127.0.0.1"),
        ("GATEWAY_BIND=127.0.0.2,127.0.0.3", "localhost", "127.0.0.2"),
        ("GATEWAY_BIND=::1", "localhost", "::1"),
        ("GATEWAY_BIND=[::]", "localhost", "::"),
        ("GATEWAY_BIND=0.0.0.0", "localhost", "0.0.0.0"),
    ],
)
def test_the_gateway_is_asked_where_it_listens_for_a_host_that_it_serves(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    host: str,
    address: str,
) -> None:
    """GW-01: it answers 421 for all others, as `localhost` in production."""
    monkeypatch.setattr(ports, "listeners", lambda _: [1])
    with ready_for(host, address) as port, Stub() as service:
        text = f"GATEWAY_PORT={port}\nGATEWAY_PUBLIC_URL=http://{host}\n{settings}\n"
        write_private(layout.gateway_env, text)
        for each in layout.services:
            write_private(each.env_file, f"BIND={service.address}\n")
        assert processes.is_healthy(layout, GATEWAY, [1])
        assert not processes.is_healthy(layout, GATEWAY, [2])
        for each in ("auth_users", "users_auth"):
            write_private(Path(layout.secrets, f"{each}_service_api_key"), "key")
        assert next(doctor.examine_gateway(layout)).startswith("ok    gateway: reached")


def test_the_gateway_works_if_it_passes_to_each_service_that_answers(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this, `restart gateway` next to a stopped or a new service would wait for
    that, and in the end stop the gateway."""
    monkeypatch.setattr(ports, "listeners", lambda _: [1])
    auth, users = layout.services
    with Stub() as gateway, Stub() as service:
        text = f"GATEWAY_PORT={gateway.server_address[1]}\n"
        write_private(layout.gateway_env, text)
        gateway.answer = lambda handler: handler.reply(
            200 if handler.path.startswith("/api/v1/auth/") else 503, {}
        )
        write_private(auth.env_file, f"BIND={service.address}\n")
        assert processes.is_healthy(layout, GATEWAY, [1])  # users is new
        write_private(users.env_file, "BIND=127.0.0.1:1\n")
        assert processes.is_healthy(layout, GATEWAY, [1])  # users is stopped
        write_private(users.env_file, f"BIND={service.address}\n")
        assert not processes.is_healthy(layout, GATEWAY, [1])
        service.always(503, {})
        assert processes.is_healthy(layout, GATEWAY, [1])  # users is not ready
