"""`python -m native.mutants`: the page is whole, and its tests can fail.

Needs a running stack, which `./manage_all.sh mutate` and the suite `security` bring.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.native import layout as layouts

from . import campaign, catalog, choice, page

ROOT = Path(__file__).resolve().parents[3]


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: nothing is wrong with the page, and no mutation survived."""
    mutations = catalog.load()
    chosen = choice.parse(arguments, mutations)
    if wrong := faults(ROOT):
        print(*(f"  {line}" for line in wrong), sep="\n")
        return 1
    print(f"  mutations: {chosen}", flush=True)
    begun = time.monotonic()
    layout = layouts.of(ROOT, os.environ["MEMO_STACK"])
    folder = layout.base / "tmp" / "mutants"
    results = campaign.run(layout, chosen.of(mutations), folder)
    killed = sum(result.killed for result in results)
    seconds = time.monotonic() - begun
    print(f"  {killed} of {len(results)} mutations killed in {seconds:.0f} s")
    return 0 if killed == len(results) else 1


def faults(root: Path) -> list[str]:
    """What is wrong with the page and the kept mutations; reads files alone."""
    text = (root / page.PAGE).read_text(encoding="utf-8")
    requirements = page.read(text)
    return [
        *page.faults(text, root),
        *catalog.faults(catalog.load(), requirements, root),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
