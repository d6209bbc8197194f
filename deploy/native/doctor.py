"""`doctor`: what would be used here, what is wrong, and what to do: docs/doctor.md.

It changes nothing. With `--url` it looks at any deployment, from outside alone.
"""

from collections.abc import Iterator, Sequence

from . import (
    addresses,
    application,
    asking,
    configure,
    findings,
    gateway,
    machine,
    outside,
    running,
    secretfiles,
    stamps,
    transport,
)
from .files import read_text
from .findings import Finding
from .layout import Layout
from .problems import USAGE, Problem
from .services import Service, discover
from .site import Site

USE = "Usage: doctor [--json] [--url https://...]"


def run(layout: Layout, arguments: Sequence[str]) -> int:
    """Print one line per finding; exit status 0, or 3 where something is WRONG."""
    words = [word for word in arguments if word != "--json"]
    as_json = len(words) < len(arguments)
    if not words:
        return findings.show(examine(layout), as_json=as_json)
    if len(words) != 2 or words[0] != "--url":
        raise Problem(USE, code=USAGE)
    found = outside.examine(Site(words[1].rstrip("/")), _probes())
    return findings.show(found, as_json=as_json)


def examine(layout: Layout) -> Iterator[Finding]:
    """This machine, the services, and the gateway of the stack if it runs."""
    services = discover(layout.root)
    yield from machine.examine(layout, services)
    runs = running.is_running(layout)
    yield from asking.examine(layout, services, runs=runs)
    if runs:
        site, probes = _site(layout), _probes(layout, services)
        yield from outside.examine(site, probes)


def _probes(
    layout: Layout | None = None, services: Sequence[Service] = ()
) -> list[outside.Probe]:
    """All that look from outside; of a stack of ours we know what to expect."""
    docs = (
        {s.name: application.has_docs(layout, s) for s in services} if layout else None
    )
    log = layout.log("users") if layout else None
    return [
        *outside.PROBES,
        *transport.PROBES,
        stamps.schema(docs),
        stamps.request_id,
        stamps.forwarded_proto,
        stamps.address_in(log),
    ]


def _site(layout: Layout) -> Site:
    """The stack's gateway, by its port on this machine, with keys that are valid."""
    callers = {"auth": "users", "users": "auth"}
    names = {s: secretfiles.key_name(caller, s) for s, caller in callers.items()}
    return Site(
        configure.public_url(layout),
        port=int(addresses.written_gateway_port(layout)),
        tls=gateway.uses_tls(layout),
        keys={s: read_text(layout.secrets / n).strip() for s, n in names.items()},
    )
