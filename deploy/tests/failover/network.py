"""Hosts in network namespaces, and a cut between some of them."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shared.tests.redis_group import Group, Host, until

# As the user that we are, with rights over a network of our own alone.
OWN_NETWORK = ["unshare", "--user", "--map-current-user", "--keep-caps", "--net"]
OWN_NETWORK += ["--mount", "--"]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def make_hosts(number: int) -> list[Host]:
    """On one switch, which this namespace is connected to."""
    # Where `ip netns` keeps the names.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "switch", "type", "bridge")
    ip("addr", "add", "10.77.0.254/24", "dev", "switch")
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
def apart(host: Host, others: Sequence[Host]) -> Iterator[None]:
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
def cut(group: Group, former: int) -> Iterator[None]:
    """The primary loses its replica and the Sentinels. Services reach all of them, and
    have open connections to the former primary."""
    others = [host for port, host in group.hosts.items() if port != former]
    with apart(group.hosts[former], others):
        until(lambda: group.primary != former, "another primary")
        yield


@contextmanager
def isolated(group: Group, former: int) -> Iterator[None]:
    """The cable of the primary's host is out."""
    name = group.hosts[former].prefix[-1]
    ip("link", "set", name, "down")
    try:
        until(lambda: group.primary != former, "another primary")
        yield
    finally:
        ip("link", "set", name, "up")
