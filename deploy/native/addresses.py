"""Where a stack listens: ports chosen once, then read from its env files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import ports
from .envfiles import read
from .layout import Layout, all_stacks
from .services import Service

LOOPBACK = "127.0.0.1"
GATEWAY_PORT = 8080
# Second stacks start searching here, out of the way of other checkouts' first ones.
STACK_OFFSET = 1000


@dataclass(frozen=True)
class Addresses:
    """The ports of a stack, chosen once and written into its env files."""

    services: Mapping[str, int]
    gateway: int

    @property
    def url(self) -> str:
        port = "" if self.gateway == 80 else f":{self.gateway}"
        return f"http://localhost{port}"


def written(layout: Layout, services: Sequence[Service]) -> Addresses | None:
    """The ports that are written down; None before the first `init` or `up`."""
    found = {service.name: written_port(layout, service) for service in services}
    gateway = written_gateway_port(layout)
    if not gateway or not all(found.values()):
        return None
    return Addresses({name: int(port) for name, port in found.items()}, int(gateway))


def choose(layout: Layout, services: Sequence[Service]) -> Addresses:
    """Ports as asked for in the environment, as written down, or found now."""
    taken = _ports_of_other_stacks(layout, services)
    offset = STACK_OFFSET if layout.stack else 0
    chosen: dict[str, int] = {}
    for service in services:
        written = written_port(layout, service)
        preferred = service.preferred_port + offset
        port = _port(f"{service.variable}_PORT", written, preferred, taken)
        chosen[service.name] = port
        taken.add(port)
    written = written_gateway_port(layout)
    gateway = _port("GATEWAY_PORT", written, GATEWAY_PORT + offset, taken)
    return Addresses(chosen, gateway)


def _port(variable: str, written: str, preferred: int, taken: set[int]) -> int:
    asked = os.environ.get(variable, "")
    if asked:
        return ports.parse(asked, variable)
    if written:
        return ports.parse(written, f"the written {variable}")
    return ports.choose(preferred, taken)


def written_port(layout: Layout, service: Service) -> str:
    return read(service.env_file(layout)).get("BIND", "").rpartition(":")[2]


def written_gateway_port(layout: Layout) -> str:
    return read(layout.gateway_env).get("GATEWAY_PORT", "")


def _ports_of_other_stacks(layout: Layout, services: Sequence[Service]) -> set[int]:
    """Ports that sibling stacks of this checkout wrote down, running or not."""
    found = set()
    for other in all_stacks(layout.root):
        if other == layout:
            continue
        texts = [written_port(other, service) for service in services]
        texts.append(written_gateway_port(other))
        found |= {int(text) for text in texts if text.isdigit()}
    return found
