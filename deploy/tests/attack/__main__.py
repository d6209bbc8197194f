"""`./manage_all.sh attack`: the attacks on a deployment, by its URL.

Exit status 0: nothing got through. 1: something did. 2: no deployment answers,
its users register by mail, or no attack was chosen.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.servers import processes
from deploy.local.setup import layout as layouts


def main() -> int:
    asked = parse()
    url, keys = (asked.url, asked.api_key) if asked.url else own_stack()
    found = {
        "MEMO_ATTACK_URL": url,
        "MEMO_ATTACK_KEYS": os.pathsep.join(keys),
        "MEMO_ATTACK_CA": asked.ca or "",
    }
    words = ["-q", "-rfEs", "--tb=short", "-p", "no:cacheprovider"]
    words += ["-k", asked.only] if asked.only else []
    command = [sys.executable, "-m", "pytest", *words, str(Path(__file__).parent)]
    print(f"memo: attacking {url}", flush=True)
    done = subprocess.run(command, env={**os.environ, **found}, check=False)
    if done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED:
        print(f"memo: no attack matches --only {asked.only!r}")
        return 2
    return done.returncode


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("./manage_all.sh attack", description=__doc__)
    parser.add_argument("--url", help="default: the running stack of this checkout")
    key = "file with a leaked API key of a service"
    parser.add_argument("--api-key", action="append", default=[], type=file, help=key)
    parser.add_argument("--ca", type=file, help="file of the CA's certificate")
    parser.add_argument("--only", metavar="WORDS", help="run these tests (pytest -k)")
    return parser.parse_args()


def file(name: str) -> str:
    """As the caller has it: the command changes to the folder of the checkout."""
    path = Path(os.environ.get("MEMO_CALLER_DIR", ""), name)
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{name} cannot be read")
    return str(path)


def own_stack() -> tuple[str, list[str]]:
    """Address and keys of the stack that `up` has started."""
    layout = layouts.of(os.environ.get("MEMO_STACK", ""))
    found = processes.gather(layout)
    if found["state"] != processes.READY:
        print("memo: the stack is not running: run `up`, or use attack --url URL")
        sys.exit(2)
    return found["url"], sorted(map(str, layout.secrets.glob("*_service_api_key")))


if __name__ == "__main__":
    sys.exit(main())
