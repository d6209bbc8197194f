"""Redis behind Sentinel under a stack, and three ways to have another primary."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from deploy.tests.chaos.checker import SWEEP
from deploy.tests.chaos.clients import ChaosClient
from deploy.tests.chaos.record import Record, Trouble
from deploy.tests.chaos.run import CLIENTS, Run
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.stack import ROOT, System
from shared.tests.redis_group import NAME, Group, Host, until

CONFIRMED = 1.0  # seconds; of shared.redis_sentinel
SENTINEL = ROOT / "deploy/kubernetes/overlays/production/sentinel.sh"
USERS = re.compile(r"^(?:user|sentinel sentinel-).*\n", re.MULTILINE)
LAST, PAUSE = 5, 0.05
TIMES = 10
Way = Callable[[Run, int], AbstractContextManager[None]]


def group_of(
    system: System, folder: Path, hosts: Sequence[Host] = (Host(),) * 5
) -> Group:
    """With the settings and users of the stack's own Redis, and Sentinels with the
    users that they have in Kubernetes."""
    settings = f"include {ROOT}/deploy/redis/redis.conf\n"
    settings += f"aclfile {system.layout.secrets}/redis_users.acl\n"
    settings += "repl-diskless-sync-delay 0\n"  # seconds that a replica waits for more
    password = system.secret("redis_admin_password")
    users = "".join(USERS.findall(SENTINEL.read_text().replace("\\\n", "")))
    users = users.replace("$password", password)
    return Group(folder, hosts, settings, "admin", password, users)


class SentinelStack(ChaosStack):
    """Its services ask the primary that Sentinel names."""

    def __init__(self, stack: str, group: Group) -> None:
        super().__init__(stack)
        self.group = group

    @contextmanager
    def linked(self) -> Iterator["SentinelStack"]:
        with super().linked():
            yield self

    def divert(self, service: str) -> dict[str, str]:
        url = self.group.url_of(service)
        return {**super().divert(service), "REDIS_URL": url}


class Thief(ChaosClient):
    """Shows the tokens of the sessions that ended last, to both services."""

    def live(self, ending: object) -> None:
        while not ending.wait(PAUSE):  # type: ignore[attr-defined]
            with self.record.lock:
                found = [*self.record.over][-LAST:]
            for session in found:
                if time.time() < session.expires:
                    self.rng.choice([self.me, self.verify])(session)


@contextmanager
def stopped(run: Run, former: int) -> Iterator[None]:
    """The primary stands still. It wakes when another is there, and takes itself for
    the primary until Sentinel tells it."""
    group = run.stack.group
    pid = group.processes[former].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        group.wait_for_another(former)
    finally:
        os.kill(pid, signal.SIGCONT)
    yield


@contextmanager
def commanded(run: Run, former: int) -> Iterator[None]:
    """By SENTINEL FAILOVER, as before maintenance."""
    group = run.stack.group
    group.client(group.sentinels[0]).execute_command("SENTINEL FAILOVER", NAME)
    group.wait_for_another(former)
    yield


def fail_over(run: Run, way: Way) -> float:
    """Once, and until the former primary is a replica. The bound: seconds from the
    fault after which no token of a session that has ended is accepted."""
    group, begun = run.stack.group, time.monotonic()
    former = group.primary
    trouble = Trouble(f"failover: {way.__name__}", frozenset(["redis"]), begun)
    with run.record.lock:
        run.record.troubles.append(trouble)
    with way(run, former):
        trouble.back = time.monotonic() + CONFIRMED
        bound = trouble.back + SWEEP - begun
        time.sleep(2 * bound)
    # Sentinel makes a replica of one that is back after ten seconds.
    # On a busy machine it may have made it the primary again.
    until(group.has_replica, "the former primary as a replica", 60)
    until(group.knows_replica, "a replica that Sentinel would promote", 60)
    # Sentinel refuses another failover until twice its `failover-timeout` is over.
    time.sleep(max(0, begun + 6.5 - time.monotonic()))
    return bound


def under_load(stack: SentinelStack, way: Way, times: int) -> str:
    """Fails at the first kind of answer that must not be; what was measured."""
    with Run(stack, seed=4, clients=[*CLIENTS, Thief, Thief]) as run:
        time.sleep(3)
        bounds = [fail_over(run, way) for _ in range(times)]
    assert not run.violations, run.summary()
    found = ", ".join(f"{bound:.1f}" for bound in bounds)
    late = longest_accepted(run.record)
    return (
        f"{run.summary()}\n== {way.__name__}: bounds {found} s; a token was accepted"
        f" at most {late:.2f} s after the end of its session was acknowledged"
    )


def longest_accepted(record: Record) -> float:
    """Seconds from the acknowledged end of a session."""
    late = [0.0]
    for session in [*record.over, *record.living]:
        ends = [x.acked for x in session.endings if x.is_acked]
        late += [
            answer.begun - min(ends)
            for sid, answer in session.account.history
            if ends and sid == session.sid and answer.ok
            if answer.kind in ("me", "verify")
        ]
    return max(late)
