"""Whether a stack runs, and how it is ended."""

from . import control, strays, supervisor
from .files import is_locked
from .layout import Layout
from .problems import Problem


def end(layout: Layout) -> list[int]:
    """Stop everything; returns the strays that had to be swept up."""
    if is_running(layout):
        try:
            control.ask(layout, "end")
        except Problem:
            pass  # It hangs: the sweep ends it as well.
        else:
            strays.wait_until(lambda: not is_running(layout), seconds=60)
    return strays.sweep(layout)


def is_running(layout: Layout) -> bool:
    return is_locked(supervisor.lock_path(layout))
