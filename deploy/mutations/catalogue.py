"""The kept mutations, of the TOML files next to this one."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Mutation:
    """In `file`, `old` becomes `new`; then `test` has to fail. They differ in one line;
    a line that is not unique has its neighbours with it."""

    id: str
    file: str
    old: str
    new: str
    test: str

    def applied_to(self, text: str) -> str:
        """Raises ValueError where it does not apply exactly once, SyntaxError where the
        result is no Python."""
        old, new = self.old.split("\n"), self.new.split("\n")
        changes = [one != other for one, other in zip(old, new, strict=False)]
        if len(old) != len(new) or changes.count(True) != 1:
            raise ValueError("not a change of one line")
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"`{self.old}` is {times} times in the file")
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed


def load() -> list[Mutation]:
    """Raises TypeError for a key too many or missing."""
    texts = [path.read_text("utf-8") for path in sorted(FOLDER.glob("*.toml"))]
    return [
        Mutation(**each) for text in texts for each in tomllib.loads(text)["mutation"]
    ]
