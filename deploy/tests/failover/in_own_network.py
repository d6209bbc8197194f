"""Run by test_network.py in namespaces: two hosts of services and a gateway, a primary
and a standby of PostgreSQL for each service, a pair of Redis and three Sentinels."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from deploy.tests.chaos.checker import IN_FLIGHT, RECOVERY
from deploy.tests.chaos.record import Trouble
from deploy.tests.chaos.run import Run
from deploy.tests.extra_services import running
from deploy.tests.failover.network import HERE, lost, make_hosts, unplugged
from deploy.tests.failover.sentinel import (
    TIMES,
    SentinelStack,
    Way,
    group_of,
    under_load,
)
from deploy.tests.failover.standby import PairStack, lose_primaries
from deploy.tests.stack import ROOT, System, as_it_was, with_lines
from shared.tests.redis_group import Host


class HostsStack(SentinelStack, PairStack):
    """Its services here, and once more on another host."""

    other: Host

    @contextmanager
    def linked(self) -> Iterator["HostsStack"]:
        own = {"auth": self.auth_url, "users": self.users_url}
        address, env = self.other.address, self.layout.gateway_env
        there = {name: url.replace("127.0.0.1", address) for name, url in own.items()}
        upstreams = {}
        for name, url in there.items():
            both = f"{own[name]},{url}".replace("http://", "")
            upstreams[f"GATEWAY_UPSTREAM_{name.upper()}"] = both
        text = with_lines(env.read_text(), upstreams)
        with super().linked(), ExitStack() as more:
            for name in own:
                more.enter_context(self.another(name, there))
            with as_it_was(env, text):
                self.run("restart", "gateway")
            yield self

    def another(self, name: str, urls: dict[str, str]) -> AbstractContextManager[str]:
        """An instance of a service, which asks its neighbour there."""
        settings = {
            "ENV_FILE": str(self.state / "env" / f"{name}.env"),
            "BIND": urls[name].removeprefix("http://"),
            "ALLOWED_HOSTS": f"localhost,{self.other.address}",
            "FORWARDED_ALLOW_IPS": HERE.address,
            **{f"{each.upper()}_SERVICE_URL": url for each, url in urls.items()},
        }
        project = ROOT / f"{name}_project"
        return running(name, project, settings, prefix=self.other.prefix)


@contextmanager
def isolated(run: Run, former: int) -> Iterator[None]:
    """The primary's host, with its Sentinel, reaches nothing."""
    group = run.stack.group
    with unplugged(group.hosts[former]):
        group.wait_for_another(former)
        yield


@contextmanager
def divided(run: Run, former: int) -> Iterator[None]:
    """The primary and its Sentinel are cut off together with the other host of
    services, which the gateway and PostgreSQL still reach. What that host cannot write
    to Redis, the sweep of the first one does."""
    group, begun = run.stack.group, time.monotonic()
    minority = group.hosts[former]
    rest = {*group.hosts.values()} - {minority}
    parts = frozenset(["auth>redis"])
    trouble = Trouble("a host without Redis", parts, begun, elsewhere=True)
    run.record.troubles.append(trouble)
    with ExitStack() as cuts:
        cuts.enter_context(lost(minority, HERE, *rest))
        for host in rest:
            cuts.enter_context(lost(host, run.stack.other))
        group.wait_for_another(former)
        yield
    trouble.back = time.monotonic()


@pytest.fixture(scope="session", autouse=True)
def hosts() -> list[Host]:
    """There before the stack, which needs a network."""
    return make_hosts(8)


@pytest.fixture(scope="module")
def stack(
    hosts: list[Host], system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostsStack]:
    first, second, third, other, *four = hosts
    five = [first, second, first, second, third]
    group = group_of(system, tmp_path_factory.mktemp("redis"), five)
    stack = HostsStack(system.stack, group)
    stack.other = other
    stack.hosts = {"auth": (four[0], four[1]), "users": (four[2], four[3])}
    with ExitStack() as ending:
        ending.callback(group.stop)
        ending.enter_context(stack.linked())
        yield stack


def test_hosts_of_postgresql_lose_their_cables(stack: HostsStack) -> None:
    """Connections to them stay open, and new ones are not refused: nothing answers.
    Each comes back as the standby of the other, and takes its place again."""
    print(lose_primaries(stack, times=2))


def test_a_host_of_services_loses_its_cable(stack: HostsStack) -> None:
    """The other one serves all, and later both do. A request on a connection that the
    gateway has kept is not repeated: it takes its time, and is a 503. A user who does
    the whole job may meet one at each service in turn."""
    with Run(stack, seed=4) as run:
        time.sleep(5)
        trouble = Trouble("a host", frozenset(["auth", "users"]), time.monotonic())
        run.record.troubles.append(trouble)
        with unplugged(stack.other):
            took = run.when_all_works(trouble.begun + 60) - trouble.begun
            time.sleep(10)
        trouble.back = time.monotonic()
        time.sleep(5)
    print(f"{run.summary()}\n== well {took:.1f} s after the cut")
    assert not run.violations, run.summary()
    assert took < 2 * IN_FLIGHT + RECOVERY


@pytest.mark.parametrize("way", [isolated, divided])
def test_a_cut_lets_no_ended_session_live(stack: HostsStack, way: Way) -> None:
    print(under_load(stack, way, TIMES))
