"""The load generator: wrk, one thread of it, with `load.lua`."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")


class LoadFailed(RuntimeError):
    """Answers that a measurement must not be made of."""


@dataclass(frozen=True)
class Request:
    """What is sent. `%TOKEN%` in body or headers stands for a token used once."""

    method: str
    path: str
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        headers = [f"{name}: {value}" for name, value in self.headers.items()]
        return "\t".join([self.method, self.path, self.body, *headers])


@dataclass(frozen=True)
class Load:
    """Requests for one address, and how they are sent."""

    url: str
    requests: Sequence[Request]
    connections: int
    seconds: float
    tokens: Sequence[str] = ()
    delay: int = 0  # milliseconds before each request of a connection; 0: none
    # Whether a 503 is an answer: clients wait as it says, and answers are counted.
    patient: bool = False


@dataclass(frozen=True)
class Outcome:
    """What wrk saw. Latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    worst: float
    refused: int  # answers other than 2xx and 3xx
    broken: int  # connections and time-outs
    statuses: dict[int, int]

    @property
    def good(self) -> int:
        return self.requests - self.refused

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds


def start(load: Load, folder: Path, name: str = "load") -> "subprocess.Popen[str]":
    """wrk, sending. `finish` gives what came of it."""
    requests = folder / f"{name}.requests"
    requests.write_text("".join(f"{each.line}\n" for each in load.requests))
    tokens = "-"
    if load.tokens:
        path = folder / f"{name}.tokens"
        path.write_text("".join(f"{token}\n" for token in load.tokens))
        tokens = str(path)
    command = [os.environ.get("BENCH_WRK", "wrk"), "-t1", f"-c{load.connections}"]
    command += [f"-d{load.seconds:.0f}s", "--timeout", "30s", "-s", str(SCRIPT)]
    command += [load.url, "--", str(requests), tokens]
    command += [str(load.delay), str(int(load.patient))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")


def finish(process: "subprocess.Popen[str]") -> Outcome:
    """Wait for wrk. Raises LoadFailed where it says nothing."""
    output, _ = process.communicate()
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if process.returncode or not lines:
        raise LoadFailed(f"wrk ended with {process.returncode}: {output}")
    found = dict(pair.split("=") for pair in lines[0].split()[1:])
    return Outcome(
        requests=int(found.pop("requests")),
        seconds=int(found.pop("micros")) / 1e6,
        p50=int(found.pop("p50")) / 1e3,
        p99=int(found.pop("p99")) / 1e3,
        worst=int(found.pop("max")) / 1e3,
        refused=int(found.pop("refused")),
        broken=int(found.pop("broken")),
        statuses={int(status): int(count) for status, count in found.items()},
    )


def run(load: Load, folder: Path) -> Outcome:
    """Send it, and insist that every answer was a good one (or 503, to the patient).
    Raises LoadFailed."""
    outcome = finish(start(load, folder))
    allowed = outcome.statuses.get(503, 0) if load.patient else 0
    if outcome.refused > allowed or outcome.broken or not outcome.good:
        raise LoadFailed(f"{load.url}: {outcome}")
    return outcome
