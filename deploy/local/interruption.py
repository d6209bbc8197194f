"""Ctrl-C, and the other signals that ask a command to stop. Importing this is enough.

The first one unwinds what is under way, with a word. A second one ends us at once.
"""

import signal
import sys
from types import TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(_number: int, _frame: object) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def _report(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("memo: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report
for each in SIGNALS:
    signal.signal(each, _interrupt)
