"""Programs that we run to their end."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import Problem

# The line that reports a wrong setting, with its text for users.
FAULT = re.compile(r"^(?:\S*ImproperlyConfigured|render\.py): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A program to run. `what` names it in messages; the part before a colon names the
    owner of its settings. Parts of the command become text."""

    what: str
    command: Sequence[object]
    cwd: Path
    env: Mapping[str, str]


def run(*jobs: Job) -> list[str]:
    """Run the jobs at the same time; returns their output. An interrupt ends all."""
    processes: list[subprocess.Popen[str]] = []
    try:
        for job in jobs:
            process = subprocess.Popen(
                [str(part) for part in job.command],
                env=job.env,
                cwd=job.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            processes.append(process)
        outputs = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()  # No effect on one that has ended.
            process.wait()
    for job, process, output in zip(jobs, processes, outputs, strict=True):
        if process.returncode:
            raise _failure(job.what, process.returncode, output)
    return outputs


def _failure(what: str, status: int, output: str) -> Problem:
    """A Problem with the wrong setting in one line, or with the end of the output."""
    if found := FAULT.findall(output):
        return Problem(f"{what.partition(':')[0]}: {found[-1]}")
    end = "\n".join(f"    {line}" for line in output.splitlines()[-20:])
    return Problem(f"{what} failed (exit {status}).\n{end}")
