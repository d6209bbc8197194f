"""`./manage_all.sh audit`: known vulnerabilities of what is pinned (pip-audit).

Whether a database was asked at all is tried on a release that has had dozens for years:
where none of them is known, nothing else is, and that is said aloud.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

from . import virtualenv
from .layout import Layout
from .problems import FAILED, USAGE, Problem

CONTROL = "django==2.0"
SERVICES = ("pypi", "osv")
SKIPPED = 77  # as automake has it: neither passed nor failed
NOT_ASKED = """\
memo: NOT AUDITED: no database of vulnerabilities answers from here.
  Nobody knows whether the pinned packages have any that are known. Try again from
  a network that reaches one, or name a mirror: audit --osv-url https://..."""


def run(layout: Layout, arguments: Sequence[str]) -> int:
    """Exit status 0: none is known; 1: some are; 77: there was nobody to ask."""
    match list(arguments):
        case []:
            choices = [["-s", service] for service in SERVICES]
        case ["--osv-url", url]:
            choices = [["-s", "osv", "--osv-url", url]]
        case _:
            raise Problem("Usage: audit [--osv-url URL]", code=USAGE)
    layout.make_folders()
    virtualenv.ensure(layout, virtualenv.DEV)
    service = next((each for each in choices if _knows(layout, each)), None)
    if service is None:
        print(NOT_ASKED)
        return SKIPPED
    found = _look_up(layout, service)
    print("\n".join(found) or "memo: nothing is known against any of it")
    return FAILED if found else 0


def _knows(layout: Layout, service: list[str]) -> bool:
    """Whether this service answers, and with what it should know."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(f"{CONTROL}\n")
        file.flush()
        try:
            found = _ask(layout, [*service, "--no-deps", "-r", file.name])
        except Problem:
            return False
    return any(each.get("vulns") for each in found)


def _look_up(layout: Layout, service: list[str]) -> list[str]:
    """What is known against the pins, and which of them are unknown. Those of dev.txt:
    it holds all that runs, too."""
    file = layout.root / "requirements" / f"{virtualenv.DEV}.txt"
    found = _ask(layout, [*service, "--require-hashes", "-r", str(file)])
    lines = []
    for each in found:
        release = f"{each['name']} {each.get('version', '')}".strip()
        if reason := each.get("skip_reason"):
            lines.append(f"{release}: not audited: {reason}")
        for known in each.get("vulns", ()):
            names = ", ".join([known["id"], *known.get("aliases", ())])
            fixed = ", ".join(known["fix_versions"]) or "no release"
            lines.append(f"{release}: {names}; mended in {fixed}")
    return lines


def _ask(layout: Layout, words: list[str]) -> list[dict[str, Any]]:
    """pip-audit's findings. Raises a Problem where it has none to give."""
    options = ["--format", "json", "--disable-pip", "--progress-spinner", "off"]
    cache = layout.cache / "pip-audit"
    done = subprocess.run(
        [str(layout.python), "-m", "pip_audit", *options, "--cache-dir", cache, *words],
        env=virtualenv.install_env(layout),
        cwd=layout.base,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError as exc:
        last = done.stderr.strip().splitlines()[-1:]
        raise Problem("pip-audit gave no answer.", hint="".join(last)) from exc
    return found
