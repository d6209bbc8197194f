"""Before `up` begins: which ports, are they free, and what still runs on them."""

from collections.abc import Sequence

from . import addresses, gateway, linux, ports, preflight, strays
from .addresses import Addresses
from .layout import Layout
from .problems import MISSING, Problem
from .running import end, is_running
from .services import Service
from .stages import stage


def make_room(layout: Layout, services: Sequence[Service]) -> Addresses:
    """The ports to use. One that somebody else has is found before anything is
    written, and a wrong setting before a running stack is touched."""
    if not is_running(layout):
        strays.sweep(layout)
    chosen = addresses.choose(layout, services)
    _insist_on_ports(layout, services, chosen)
    if is_running(layout):
        preflight.check(layout, services, chosen)
        with stage("what ran before is stopped: something changed"):
            end(layout)
    return chosen


def _insist_on_ports(
    layout: Layout, services: Sequence[Service], chosen: Addresses
) -> None:
    """Free, or taken by the stack that runs. A service that is new has none there."""
    running = is_running(layout)
    if not running or addresses.written_gateway_port(layout) != str(chosen.gateway):
        _insist_on_gateway_port(layout, chosen.gateway)
    for service in services:
        port = chosen.services[service.name]
        if not running or addresses.written_port(layout, service) != str(port):
            ports.insist_on_free(port, service.name, _way_out(layout, service))


def _insist_on_gateway_port(layout: Layout, port: int) -> None:
    gateway.insist_on_free(layout, port)
    if gateway.needs_privilege(port) and not linux.may_use_low_ports():
        raise Problem(
            f"Port {port} is kept for root on this machine.",
            hint="Run as root, or choose a port from 1024 upwards: GATEWAY_PORT=8080"
            f" {layout.command} up",
            code=MISSING,
        )


def _way_out(layout: Layout, service: Service) -> str:
    other = ports.choose(service.preferred_port + 2, ())
    return (
        "Stop that program, or choose another port:"
        f" {service.variable}_PORT={other} {layout.command} up"
    )
