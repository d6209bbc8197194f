"""How a command fails: one clear sentence, a way out, and an exit code."""

FAILED = 1
USAGE = 2
MISSING = 3
PORT_IN_USE = 4
INTERRUPTED = 130


class Problem(Exception):
    """Something the person at the terminal has to know; never a traceback."""

    def __init__(self, message: str, *, hint: str = "", code: int = FAILED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class ProgramFailed(Problem):
    """A program that we ran failed; with all it printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


class Interrupted(Exception):
    """A signal asked this command to stop."""
