"""The API keys of one service at another: what one presents, the other accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import secretfiles
from .envfiles import read
from .files import read_text, write_private
from .layout import Layout
from .problems import USAGE, Problem
from .services import Service


@dataclass(frozen=True)
class Direction:
    layout: Layout
    caller: Service
    callee: Service

    def __str__(self) -> str:
        return f"{self.caller.name} to {self.callee.name}"

    @property
    def key_file(self) -> Path:
        name = secretfiles.key_name(self.caller.name, self.callee.name)
        return self.layout.secrets / name

    @property
    def list_file(self) -> Path:
        return self.layout.secrets / secretfiles.list_name(self.callee.name)

    @property
    def presented(self) -> str:
        return read_text(self.key_file).strip()

    @property
    def accepted(self) -> list[str]:
        """The caller's keys at the callee, the newest last."""
        items = secretfiles.callers(self.list_file)
        return [key for caller, key in items if caller == self.caller.name]

    @property
    def has_next(self) -> bool:
        """Whether a key is accepted that is to be presented."""
        return self.accepted[-1:] not in ([], [self.presented])

    @property
    def has_more(self) -> bool:
        """Whether others are accepted beside the one presented. (Where that one is not
        among them, all stay: better one too many than none.)"""
        return self.presented in self.accepted and len(self.accepted) > 1

    @property
    def is_under_way(self) -> bool:
        return self.has_next or self.has_more

    def accept(self, key: str) -> None:
        """Accept this one too."""
        items = secretfiles.callers(self.list_file)
        secretfiles.write_callers(self.list_file, [*items, (self.caller.name, key)])

    def present(self) -> None:
        """Present the newest that is accepted."""
        write_private(self.key_file, self.accepted[-1])

    def drop(self) -> None:
        """Accept the one that is presented, alone."""
        ours = (self.caller.name, self.presented)
        items = secretfiles.callers(self.list_file)
        others = [item for item in items if item[0] != self.caller.name]
        secretfiles.write_callers(self.list_file, [*others, ours])

    def insist_on_files(self) -> None:
        """Where a service takes its keys from elsewhere, what is written here would
        reach one side alone."""
        secret = f"{self.callee.variable}_SERVICE_API_KEY"
        self._insist(self.caller, secret, self.key_file)
        self._insist(self.callee, "INTERNAL_API_KEYS", self.list_file)

    def _insist(self, service: Service, name: str, path: Path) -> None:
        settings = read(service.env_file(self.layout))
        named = service.project / settings.get(f"{name}_FILE", "")
        if name in settings or named.resolve() != path.resolve():
            raise Problem(
                f"{service.name} does not take {name} from {path}.",
                hint="Rotate it where it comes from: docs/apikeys.md.",
            )


def chosen(
    layout: Layout, services: Sequence[Service], names: Sequence[str]
) -> list[Direction]:
    """The directions from the caller that is named, or between the two; else all."""
    known = {service.name for service in services}
    for name in names:
        if name not in known:
            raise Problem(f"There is no service {name} here.", code=USAGE)
    found = [
        Direction(layout, caller, callee)
        for caller in services
        for callee in services
        if caller != callee and [caller.name, callee.name][: len(names)] == [*names]
    ]
    # A folder that came since the last `up` has no keys yet.
    made = [each for each in found if each.presented and each.accepted]
    if not made:
        raise Problem("There are no keys to rotate.", hint=f"{layout.command} init")
    for each in made:
        each.insist_on_files()
    return made
