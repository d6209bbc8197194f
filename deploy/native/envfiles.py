"""`.env` files: people edit them, so every line we did not write stays as it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import read_text

ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


@dataclass(frozen=True)
class Setting:
    """A line we want in a file.

    `ours` is set for addresses, which follow the ports and folders of this machine:
    a pattern of the values we would have written ourselves and so may change. Without
    a value, such a line is one that has to go.
    """

    name: str
    value: str
    comment: str = ""
    ours: str = ""

    def may_replace(self, value: str) -> bool:
        return bool(self.ours) and re.fullmatch(self.ours, value) is not None

    @property
    def lines(self) -> list[str]:
        comment = ["", f"# {self.comment}"] if self.comment else []
        return [*comment, f"{self.name}={self.value}"]


def parse(text: str) -> dict[str, str]:
    """Names and values. Parsed, never sourced: a value is not a program."""
    found = {}
    for line in text.splitlines():
        match = ASSIGNMENT.fullmatch(line)
        if match:
            found[match[1]] = _unquoted(match[2].strip())
    return found


def read(path: Path) -> dict[str, str]:
    """Names and values of a file; none when it does not exist."""
    return parse(read_text(path))


def complete(text: str, settings: Sequence[Setting], heading: str) -> str:
    """The file with missing settings added and stale addresses of ours renewed."""
    present = parse(text)
    by_name = {setting.name: setting for setting in settings}
    renewed = [_renewed(line, by_name) for line in text.splitlines()]
    lines = [line for line in renewed if line is not None]
    if not lines:
        lines = [f"# {line}" for line in heading.splitlines()]
    for setting in settings:
        if setting.name not in present and setting.value:
            lines += setting.lines
    return "\n".join(lines) + "\n"


def _renewed(line: str, by_name: dict[str, Setting]) -> str | None:
    match = ASSIGNMENT.fullmatch(line)
    setting = by_name.get(match[1]) if match else None
    if match is None or setting is None:
        return line
    if setting.may_replace(_unquoted(match[2].strip())):
        return f"{setting.name}={setting.value}" if setting.value else None
    return line


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
