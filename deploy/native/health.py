"""Asking the running processes how they are, over their own protocols."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from . import addresses, gateway, postgres, redis
from .addresses import LOOPBACK
from .layout import Layout
from .services import Service

SECONDS = 5.0


def probes(
    layout: Layout, services: Sequence[Service]
) -> dict[str, Callable[[], bool]]:
    """For each process, the question whether it does its work."""
    found: dict[str, Callable[[], bool]] = {redis.NAME: lambda: redis.answers(layout)}
    for service in services:
        found[service.database] = _postgres_probe(layout, service)
        found[service.name] = _service_probe(layout, service)
    found[gateway.NAME] = lambda: all(
        is_ready_through_gateway(layout, service) for service in services
    )
    return found


def is_ready_through_gateway(layout: Layout, service: Service) -> bool:
    """Not only 200: another checkout's gateway may own the port."""
    text = addresses.written_gateway_port(layout)
    if not text:
        return False
    port = int(text)
    tls = gateway.uses_tls(layout)
    answer = get_json(port, service.ready_path(), f"localhost:{port}", tls=tls)
    return answer.get("service") == service.name


def is_alive(layout: Layout, service: Service) -> bool:
    """Whether it answers at all, with its databases or without."""
    port = int(addresses.written_port(layout, service) or 0)
    answer = get_json(port, service.live_path(), LOOPBACK)
    return bool(answer)


def get_json(port: int, path: str, host: str, *, tls: bool = False) -> dict[str, Any]:
    """The JSON of a 200 answer; empty for anything else.

    http.client, unlike urllib, asks no proxy for 127.0.0.1. The certificate is not
    checked: it names the public host, and this is a look at our own process.
    """
    connection: http.client.HTTPConnection
    if tls:
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(
            LOOPBACK, port, timeout=SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            content = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
    return content if response.status == 200 and isinstance(content, dict) else {}


def _postgres_probe(layout: Layout, service: Service) -> Callable[[], bool]:
    return lambda: postgres.answers(layout, service)


def _service_probe(layout: Layout, service: Service) -> Callable[[], bool]:
    def is_ready() -> bool:
        port = int(addresses.written_port(layout, service) or 0)
        answer = get_json(port, service.ready_path(), LOOPBACK)
        return answer.get("service") == service.name

    return is_ready
