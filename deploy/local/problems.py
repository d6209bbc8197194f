"""How a command fails: one clear sentence, a way out, and an exit status."""

USAGE = 2
MISSING = 3  # also the exit status of `status` for a stopped stack
PORT_IN_USE = 4
INTERRUPTED = 130


class Problem(Exception):
    """Something the user has to know. It is shown without a traceback."""

    def __init__(self, message: str, *, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.hint, self.code = hint, code

    def __str__(self) -> str:
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{self.args[0]}{hint}"
