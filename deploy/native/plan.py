"""The plan: everything the supervisor has to know about the processes it runs."""

import signal
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .files import read_json, write_json
from .layout import Layout

# Started from low to high, stopped from high to low.
STORES, APPLICATIONS, ENTRANCE = 1, 2, 3


@dataclass(frozen=True)
class Spec:
    """One process: how it is started and stopped, and what it may leave behind."""

    name: str
    tier: int
    command: list[str]
    env: dict[str, str]
    cwd: str
    log: str
    stop_signal: int = signal.SIGTERM
    # What a crash leaves that would keep the next start from succeeding.
    stale_files: list[str] = field(default_factory=list)
    stale_folder: str = ""
    low_ports: bool = False


@dataclass(frozen=True)
class Plan:
    fingerprint: str
    processes: list[Spec]

    @property
    def names(self) -> list[str]:
        return [spec.name for spec in self.processes]

    def save(self, layout: Layout) -> None:
        specs = [asdict(spec) for spec in self.processes]
        content = {"fingerprint": self.fingerprint, "processes": specs}
        write_json(layout.plan, content)


def load(path: Path) -> Plan:
    """The saved plan; empty when there is none."""
    content: dict[str, Any] = read_json(path)
    specs: Iterable[dict[str, Any]] = content.get("processes", [])
    return Plan(content.get("fingerprint", ""), [Spec(**spec) for spec in specs])
