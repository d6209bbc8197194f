"""Programs that we run to their end, and programs that supervisord keeps running."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .problems import Problem, ProgramFailed

# Of each service, on one socket.
PROCESSES = 2


@dataclass(frozen=True)
class Job:
    """A program to run to its end. `what` names it in a message. Paths in the command
    are turned into text."""

    what: str
    command: Sequence[object]
    cwd: Path
    env: Mapping[str, str]


@dataclass(frozen=True)
class Program:
    """A program that supervisord runs. With an address, several processes share one
    socket. Programs of a low priority start first and stop last."""

    name: str
    command: Sequence[str]
    folder: Path
    priority: int
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    address: str = ""
    stale_files: Sequence[Path] = ()
    low_ports: bool = False


def run(*jobs: Job) -> list[str]:
    """Run the jobs at the same time; the output of each. A failure is a ProgramFailed
    with the end of what was printed. An interrupt ends all of them at once."""
    processes: list[subprocess.Popen[str]] = []
    try:
        processes += [_start(job) for job in jobs]
        outputs = [process.communicate()[0] for process in processes]
        for job, process, output in zip(jobs, processes, outputs, strict=True):
            if process.returncode:
                end = "\n".join(f"    {x}" for x in output.splitlines()[-20:])
                text = f"{job.what} failed (exit {process.returncode}).\n{end}"
                raise ProgramFailed(text, output)
        return outputs
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _start(job: Job) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [str(part) for part in job.command],
            env=dict(job.env),
            cwd=job.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as exc:
        text = f"{job.what}: {job.command[0]} cannot be run: {exc.strerror}."
        raise Problem(text) from exc
