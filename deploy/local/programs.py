"""Programs that we run to their end."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .problems import Problem


@dataclass(frozen=True)
class Job:
    """`what` names it in a message. Parts of the command are turned into text."""

    what: str
    command: Sequence[object]
    cwd: Path
    env: Mapping[str, str]


def run(*jobs: Job) -> list[str]:
    """Run the jobs at the same time; the output of each. A failure is a Problem with
    the end of what was printed. An interrupt ends all of them at once."""
    processes: list[subprocess.Popen[str]] = []
    try:
        for job in jobs:
            words = [str(part) for part in job.command]
            process = subprocess.Popen(
                words,
                env=job.env,
                cwd=job.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
            processes.append(process)
        outputs = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()  # Nothing happens where it has ended.
            process.wait()
    for job, process, output in zip(jobs, processes, outputs, strict=True):
        if process.returncode:
            end = "\n".join(f"    {x}" for x in output.splitlines()[-20:])
            text = f"{job.what} failed (exit {process.returncode}).\n{end}"
            raise Problem(text, output=output)
    return outputs
