"""Processes that count as gunicorn's do: `run` in a process of its own.

python -m shared.tests.counting_processes ROUNDS    a master of two workers, which are
replaced so often; each counts a hundred and sets a gauge
"""

import os
import subprocess
import sys
import time

from shared import metrics, metrics_folder

WORKERS, COUNTED, POLICY = 2, 100, "LOGIN_LIMIT_NAME"
PYTHON = [sys.executable, "-m", "shared.tests.counting_processes"]


def run(folder: object, *words: object) -> subprocess.Popen[str]:
    """A master that uses this folder, and ends when its input does."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [*PYTHON, *map(str, words)]
    return subprocess.Popen(
        command, env=env, text=True, stderr=subprocess.STDOUT, **pipes
    )


def fork() -> tuple[int, metrics_folder.Slot | None]:
    slot = metrics_folder.reserve()
    pid = os.fork()
    if pid:
        return pid, slot
    metrics_folder.use(slot)
    metrics.db_pool_size.set(3)
    metrics.build_info.labels("0", "counting").set(1)
    for _ in range(COUNTED):
        metrics.rate_limited_total.labels(POLICY).inc()
        metrics.db_wait_seconds.observe(0.5)
    time.sleep(0.1)  # so that both workers run at the same time
    os._exit(0)


def serve(rounds: int) -> None:
    for _ in range(rounds):
        workers = dict(fork() for _ in range(WORKERS))
        while workers:
            pid, status = os.wait()
            assert status == 0
            metrics_folder.give_back(workers.pop(pid))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
    sys.stdout.write("done\n")
    sys.stdout.flush()
    sys.stdin.read()
