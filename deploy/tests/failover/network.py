"""Hosts in network namespaces, and cuts between them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from shared.tests.redis_group import Host

# As the user that we are, with rights over a network of our own alone.
OWN_NETWORK = ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]
OWN_NETWORK += ["--mount", "--"]
HERE = Host("10.77.0.254")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def make_hosts(number: int) -> list[Host]:
    """On one switch, which this namespace is connected to."""
    # Where `ip netns` keeps the names.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "switch", "type", "bridge")
    ip("addr", "add", f"{HERE.address}/24", "dev", "switch")
    ip("link", "set", "switch", "up")
    return [make_host(f"h{each}", f"10.77.0.{each}") for each in range(1, number + 1)]


def make_host(name: str, address: str) -> Host:
    ip("netns", "add", name)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", name, "master", "switch", "up")
    ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
    ip("-n", name, "link", "set", "eth0", "up")
    ip("-n", name, "link", "set", "lo", "up")
    return Host(address, ("ip", "netns", "exec", name))


@contextmanager
def lost(host: Host, *others: Host) -> Iterator[None]:
    """What the host sends to the others is lost."""
    name = host.prefix[-1]
    for other in others:
        ip("-n", name, "route", "add", "blackhole", f"{other.address}/32")
    try:
        yield
    finally:
        for other in others:
            ip("-n", name, "route", "del", "blackhole", f"{other.address}/32")


@contextmanager
def unplugged(host: Host) -> Iterator[None]:
    """The cable of the host is out."""
    ip("link", "set", host.prefix[-1], "down")
    try:
        yield
    finally:
        ip("link", "set", host.prefix[-1], "up")
