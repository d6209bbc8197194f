"""How a command fails: one clear sentence, a way out, and an exit status."""

FAILED = 1
USAGE = 2
MISSING = 3  # also what `status` answers of a stopped stack
PORT_IN_USE = 4
INTERRUPTED = 130


class Problem(Exception):
    """Something the user has to know. It is shown without a traceback. `output` is all
    that a program has printed, if one failed."""

    def __init__(
        self, message: str, *, hint: str = "", code: int = FAILED, output: str = ""
    ) -> None:
        super().__init__(message)
        self.hint, self.code, self.output = hint, code, output

    def __str__(self) -> str:
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{self.args[0]}{hint}"
