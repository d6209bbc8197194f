"""Probes of a service that runs, each with a verdict and what to do: docs/doctor.md.

An app adds its own in a module `probes`: functions with `@probe`, which are found when
`manage.py doctor` asks for them. A probe looks and changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.core import checks
from django.utils.module_loading import autodiscover_modules

OK, NOTE, WRONG = "ok", "note", "WRONG"


@dataclass(frozen=True)
class Finding:
    """`id` names what was looked at, `advice` what to do where it is not ok."""

    id: str
    verdict: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Context:
    """What whoever asks can give beyond what the service itself knows."""

    redis_admin_password: str = ""


Probe = Callable[[Context], Iterable[Finding]]

PROBES: list[Probe] = []


def probe(function: Probe) -> Probe:
    """Have `manage.py doctor` ask this too."""
    PROBES.append(function)
    return function


def judge(
    identity: str, holds: bool, text: str, otherwise: str, advice: str
) -> Finding:
    """ok with `text` where it holds, else WRONG with what is the case instead."""
    if holds:
        return Finding(identity, OK, text)
    return Finding(identity, WRONG, otherwise, advice)


def examine(context: Context) -> Iterator[Finding]:
    """Everything that can be found in a service that runs."""
    yield from checked()
    autodiscover_modules("probes")
    for each in PROBES:
        yield from asked(each, context)


def checked() -> Iterator[Finding]:
    """What system checks say: docs/operations/checks.md."""
    found = [each for each in checks.run_checks() if not each.is_silenced()]
    for message in found:
        verdict = WRONG if message.is_serious() else NOTE
        yield Finding(str(message.id), verdict, message.msg, message.hint or "")
    if not any(message.is_serious() for message in found):
        yield Finding("checks", OK, "no system check finds an error")


def asked(each: Probe, context: Context) -> Iterator[Finding]:
    """What a probe finds. One that breaks says so, and the others are still asked."""
    try:
        yield from each(context)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is a finding
        name = f"{each.__module__.rpartition('.')[2]}.{each.__name__}"
        text = f"could not be looked at: {type(exc).__name__}"
        yield Finding(name, WRONG, text, "Is everything up? ./manage_all.sh status")
