"""Ctrl-C, and the other signals that ask a command to stop. The first one unwinds what
is under way, with a word. A second one, or one before `handle`, ends us at once."""

import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end(_number: int, _frame: object) -> None:
    os.write(2, b"memo: interrupted\n")
    os._exit(130)


def _interrupt(_number: int, _frame: object) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def handle() -> None:
    for number in SIGNALS:
        signal.signal(number, _interrupt)


signal.signal(signal.SIGINT, _end)
