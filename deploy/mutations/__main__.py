"""`python -m deploy.mutations`: the tests of docs/security can fail."""

import argparse
import os
import random
import re
import shutil
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from deploy import jobs
from deploy.mutations import catalogue
from deploy.mutations.catalogue import Mutation
from deploy.tests.stack import ROOT

AT_ONCE = 2
SUITES = {
    "shared/": "shared",
    "nginx/": "gateway",
    "deploy/tests/": "system",
    "deploy/": "local",
}
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".run", ".secrets", ".env", ".env.migrate", ".venv"),
    *("__pycache__", ".*_cache"),
)
# So fails a test that cannot be run, or a careless mutation.
NOT_RUN = re.compile(r"(Syntax|Indentation|Import|ModuleNotFound|Name)Error")
SECONDS, SECONDS_OF_A_TEST = 90, 10


class Copy:
    """A copy of the checkout, apart from the files of any run of pytest."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.root = ROOT / ".run" / "mutations" / suite
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(ROOT, self.root, ignore=LEFT_OUT, symlinks=True)
        (self.root / ".run").symlink_to(ROOT / ".run")
        self.report = self.root.with_suffix(".xml")

    def run(self, tests: Sequence[str], *options: str) -> tuple[str, str]:
        """`green`, `red`, or neither; and why."""
        words = [test.removeprefix(f"{self.suite}_project/") for test in tests]
        words += ["-q", "--tb=short", f"--junitxml={self.report}", *options]
        words += [f"--basetemp={self.root.with_suffix('.tmp')}"]
        self.report.unlink(missing_ok=True)
        jobs.call(
            [sys.executable, "-m", "deploy", self.suite, *words],
            {**os.environ, "PYTHONPATH": str(self.root), "MEMO_VERIFY": "1"},
            log=self.root.with_suffix(".log"),
            cwd=self.root,
            seconds=SECONDS + SECONDS_OF_A_TEST * len(tests),
        )
        return verdict(self.report)

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        path = self.root / mutation.file
        path.write_text(mutation.applied_to(path.read_text("utf-8")), "utf-8")
        yield
        # With its old times: what was compiled from it is good again.
        shutil.copy2(ROOT / mutation.file, path)


def verdict(report: Path) -> tuple[str, str]:
    """Green: all that was named ran and passed. Red: a test itself failed, and not a
    fixture, the collection, or a misspelt name."""
    if not report.exists():
        return "neither", "no report"
    [suite] = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 (our own)
    names = ("tests", "failures", "errors", "skipped")
    tests, failures, errors, skipped = (int(suite.get(name, "0")) for name in names)
    messages = [each.get("message", "") for each in suite.iter("failure")]
    why = "".join(messages[:1]).partition("\n")[0]
    if failures and not errors and not NOT_RUN.match(why):
        return "red", why
    good = tests and not failures + errors + skipped
    return "green" if good else "neither", f"{dict(suite.items())}. {why}"


def suite_of(test: str) -> str:
    found = (name for prefix, name in SUITES.items() if test.startswith(prefix))
    return next(found, test.partition("_project/")[0])


def try_suite(suite: str, mutations: Sequence[Mutation]) -> int:
    """How many of them are killed. A test that fails without one too proves nothing."""
    copy, killed = Copy(suite), 0
    reuse = () if suite in SUITES.values() else ("--reuse-db",)
    fresh = ("--create-db",) if reuse else ()
    whole, why = copy.run(sorted({m.test for m in mutations}), *reuse, *fresh)
    for mutation in mutations:
        begun = time.monotonic()
        if whole == "green":
            with copy.mutated(mutation):
                found, why = copy.run([mutation.test], "--exitfirst", *reuse)
        killed += (is_killed := whole == "green" and found == "red")
        word = "killed" if is_killed else "SURVIVED"
        line = f"  {word:<8} {mutation.id:<8} {time.monotonic() - begun:5.1f} s"
        print(f"{line}  {mutation.file}\n    {mutation.test}: {why[:200]}", flush=True)
    shutil.rmtree(copy.root)
    return killed


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Ends the process for words that mean nothing."""
    parser = argparse.ArgumentParser("mutate", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every one that is kept")
    which.add_argument("--id", nargs="+", default=[], metavar="TOK-01")
    which.add_argument("--random", type=int, default=10, metavar="10")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args(arguments)
    if unknown := set(asked.id) - {each.id for each in catalogue.load()}:
        parser.error(f"no mutation is kept for {', '.join(sorted(unknown))}")
    return asked


def choose(asked: argparse.Namespace, mutations: Sequence[Mutation]) -> list[Mutation]:
    """All, those of some requirements, or so many at random, one for a requirement."""
    if asked.all or asked.id:
        return [each for each in mutations if asked.all or each.id in asked.id]
    print(f"  these again: --random {asked.random} --seed {asked.seed}", flush=True)
    shuffled = random.Random(asked.seed).sample(mutations, len(mutations))
    return list({each.id: each for each in shuffled}.values())[: asked.random]


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: no mutation survived."""
    chosen = choose(parse(arguments), catalogue.load())
    suites: dict[str, list[Mutation]] = defaultdict(list)
    for mutation in chosen:
        suites[suite_of(mutation.test)].append(mutation)
    names = sorted(suites, key=lambda name: -len(suites[name]))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        killed = sum(pool.map(try_suite, names, [suites[name] for name in names]))
    print(f"  {killed} of {len(chosen)} mutations killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    jobs.handle_interruptions()
    sys.exit(main(sys.argv[1:]))
