"""Start and rest: how long `up` takes on a prepared machine, and what all of it holds
in memory when nobody asks anything."""

import subprocess
import sys
import time
from typing import Any

import requests

from .processes import family, pss
from .stack import ROOT, Stack

TIMES = 3


def measure(stack: Stack) -> dict[str, Any]:
    """Seconds of `up`, seconds until both services answer, bytes at rest."""
    ups = [restart() for _ in range(TIMES)]
    services = [answering(stack) for _ in range(TIMES)]
    fresh = Stack()
    time.sleep(10)
    memory = {name: pss(family(pid)) for name, pid in fresh.pids.items()}
    found = {"up": sorted(ups), "services": sorted(services), "memory": memory}
    print(f"  {found}", file=sys.stderr, flush=True)
    return found


def command(*words: str) -> float:
    """`./manage_all.sh`, for the stack of the bench; the seconds it took."""
    begun = time.monotonic()
    subprocess.run(
        ["./manage_all.sh", *words], cwd=ROOT, capture_output=True, check=True
    )
    return time.monotonic() - begun


def restart() -> float:
    command("down")
    return command("up")


def answering(stack: Stack) -> float:
    """Both services are started at once: seconds until each has answered a request."""
    command("stop", "auth", "users")
    begun = time.monotonic()
    with subprocess.Popen(
        ["./manage_all.sh", "start", "auth", "users"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    ):
        for service in ("auth", "users"):
            wait_for(f"{stack.url(service)}/api/v1/{service}/health/ready")
        return time.monotonic() - begun


def wait_for(url: str) -> None:
    while True:
        try:
            if requests.get(url, timeout=1).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.02)
