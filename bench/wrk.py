"""The load generator: wrk with one thread and `load.lua`."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Target:
    """The requests to a URL: every body with every set of headers, in turn.

    `%TOKEN%` in body or headers stands for one of the tokens; each is used once.
    """

    method: str
    url: str
    headers: Sequence[dict[str, str]] = ({},)
    bodies: Sequence[Any] = (None,)
    tokens: Sequence[str] = ()
    patient: bool = False  # whether a client that gets 503 waits, as Retry-After says

    def lines(self) -> list[str]:
        """A line for each request, for `load.lua`."""
        path, found = urlsplit(self.url).path, []
        for body in self.bodies:
            content = json.dumps(body) if body else ""
            kind = {"Content-Type": "application/json"} if body else {}
            for headers in ({**kind, **each} for each in self.headers):
                named = [f"{name}: {value}" for name, value in headers.items()]
                found.append("\t".join([self.method, path, content, *named]))
        return found


@dataclass(frozen=True)
class Outcome:
    """The results of wrk. Latencies are milliseconds."""

    good: int  # answers 2xx and 3xx
    busy: int  # answers 503
    bad: int  # other answers, broken connections and timeouts
    seconds: float
    p50: float
    p99: float


def run(target: Target, connections: int, seconds: float) -> Outcome:
    """Send the requests. A bad answer ends the run: its figures would mean nothing."""
    wrk = os.environ.get("BENCH_WRK") or shutil.which("wrk")
    if not wrk:
        raise SystemExit("bench: wrk is not installed. Debian, Ubuntu: apt install wrk")
    with tempfile.TemporaryDirectory() as folder:  # 0700, as tokens lie in it
        requests, tokens = Path(folder, "requests"), Path(folder, "tokens")
        requests.write_text("\n".join(target.lines()))
        tokens.write_text("\n".join(target.tokens))
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s"]
        command += ["--timeout", "30s", "-s", str(SCRIPT), target.url, "--"]
        command += [str(requests), str(tokens), str(int(target.patient))]
        output = subprocess.check_output(command, encoding="utf-8")
    outcome = Outcome(**json.loads(output.splitlines()[-1]))
    if outcome.bad or not outcome.good:
        raise SystemExit(f"bench: bad answers, or none: {target.url}: {outcome}")
    return outcome
