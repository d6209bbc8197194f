"""Ctrl-C, and the other signals that ask a command to stop. The first one raises
KeyboardInterrupt, so that the command cleans up. A second one ends the process at once,
as does Ctrl-C during the imports."""

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end(_number: int, _frame: object) -> None:
    os.write(2, b"memo: interrupted\n")
    os._exit(130)


def interrupt(_number: int, _frame: object) -> None:
    for number in SIGNALS:
        signal.signal(number, _end)
    raise KeyboardInterrupt


signal.signal(signal.SIGINT, _end)
