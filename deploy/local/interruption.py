"""Ctrl-C, and the other signals that ask a command to stop. The first one unwinds what
is under way, with a word. A second one ends us at once, as does Ctrl-C during the
imports."""

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
