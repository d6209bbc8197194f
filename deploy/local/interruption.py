"""Ctrl-C, and the other signals that ask a command to stop. Until `handle` is called,
and after the first one, such a signal ends us at once."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(_number: int, _frame: object) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def handle() -> None:
    """From here, the first signal unwinds what is under way."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


signal.signal(signal.SIGINT, signal.SIG_DFL)  # Imports are not worth a traceback.
