"""`./manage_all.sh attack`: deploy/tests/attack on a deployment, by URL."""

import argparse
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import configure, running, virtualenv
from .layout import Layout
from .problems import USAGE, Problem
from .programs import base_env

ATTACKS = Path("deploy/tests/attack")
# Those of the operator, which a person who runs the attacks may not have.
KEYS = "*_service_api_key"


def run(layout: Layout, arguments: Sequence[str]) -> int:
    """Exit status 0 when nothing got through, 1 when something did."""
    options = _parse(arguments)
    if options.url:
        keys = options.api_key or []
    else:
        options.url, keys = _own(layout)
    layout.make_folders()
    virtualenv.ensure(layout, virtualenv.DEV)
    command = [str(layout.python), "-m", "pytest", "-q", "-rN", "--tb=short"]
    command += [
        "-p",
        "no:cacheprovider",
        f"--basetemp={layout.base / 'tmp' / 'attack'}",
    ]
    command += ["-k", options.only] if options.only else []
    (layout.base / "tmp").mkdir(exist_ok=True)
    print(f"memo: attacking {options.url}", flush=True)
    done = subprocess.run(
        [*command, str(ATTACKS)],
        cwd=layout.root,
        env={
            **base_env(layout),
            "MEMO_ATTACK_URL": options.url,
            "MEMO_ATTACK_KEYS": os.pathsep.join(keys),
            "MEMO_ATTACK_CA": options.ca or "",
        },
        check=False,
    )
    return done.returncode


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./manage_all.sh attack", add_help=False)
    parser.add_argument("--url")
    parser.add_argument("--api-key", action="append", type=_file)
    parser.add_argument("--ca", type=_file)
    parser.add_argument("--only")
    try:
        return parser.parse_args(arguments)
    except SystemExit as exc:
        raise Problem(
            "Usage: attack [--url URL] [--api-key FILE] [--ca FILE] [--only WORDS]",
            hint="docs/attack.md says what is attacked, and what it leaves behind.",
            code=USAGE,
        ) from exc


def _file(name: str) -> str:
    path = Path(name).absolute()
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{name} cannot be read")
    return str(path)


def _own(layout: Layout) -> tuple[str, list[str]]:
    """Address and keys of the stack that `up` has started."""
    if not running.is_running(layout):
        raise Problem(
            "The stack is not running.",
            hint=f"{layout.command} up, or name a deployment: attack --url https://...",
        )
    keys = sorted(map(str, layout.secrets.glob(KEYS)))
    return configure.public_url(layout), keys
