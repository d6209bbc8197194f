"""`python -m deploy.mutations`: whether the tests that docs/security names can fail.

Each kept mutation changes one line of the code so that one requirement no longer holds.
Its test has to fail then, in a copy of the checkout, and to pass without the change.
"""

import argparse
import os
import random
import re
import shutil
import sys
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy import jobs
from deploy.tests.release import git
from deploy.tests.stack import ROOT

AT_ONCE = 2
TEN = 10  # the number without options
SUITES = {"nginx": "gateway", "deploy": "system"}  # others have the folder's name
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".run", ".secrets", ".backups", ".env", ".env.migrate", ".venv"),
    *("__pycache__", ".*_cache"),
)
PASSED, FAILED = 0, 1  # exit statuses of pytest
OPTIONS = ("-q", "--tb=short", "-rfE")
# The output of a test that cannot run: its fixture fails, or the mutation is careless.
NOT_RUN = re.compile(
    r"^ERROR \S+\.py|^FAILED .+ - (Import|ModuleNotFound|Name)Err", re.M
)


@dataclass(frozen=True)
class Mutation:
    """In `file`, `old` becomes `new`; then `test` has to fail."""

    id: str
    file: str
    old: str
    new: str
    test: str

    def applied_to(self, text: str) -> str:
        """The mutated text. Raises ValueError unless `old` is there exactly once, and
        SyntaxError if the result is not valid Python."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"`{self.old}` is {times} times in the file")
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed


def load() -> list[Mutation]:
    """All kept mutations. Raises TypeError for an unknown or a missing key."""
    files = sorted(Path(__file__).parent.glob("*.toml"))
    tables = [tomllib.loads(file.read_text("utf-8")).items() for file in files]
    return [
        Mutation(requirement, **each)
        for table in tables
        for requirement, mutations in table
        for each in mutations
    ]


def choose(words: Sequence[str]) -> list[Mutation]:
    """All mutations, those of some requirements, or ten of different requirements that
    vary with the commit. Ends the process for invalid words."""
    parser = argparse.ArgumentParser("./manage_all.sh mutate", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="try all, not only ten")
    which.add_argument("--id", nargs="+", default=[], metavar="TOK-01")
    asked, kept = parser.parse_args(words), load()
    if unknown := set(asked.id) - {each.id for each in kept}:
        parser.error(f"no mutation is kept for {', '.join(sorted(unknown))}")
    if asked.all or asked.id:
        return [each for each in kept if asked.all or each.id in asked.id]
    shuffled = random.Random(git("rev-parse", "HEAD").stdout).sample(kept, len(kept))
    return list({each.id: each for each in shuffled}.values())[:TEN]


def try_suite(suite: str, mutations: Sequence[Mutation]) -> int:
    """Try mutations in a copy of the checkout; returns how many are killed: their test
    passes without the mutation, and fails with it."""
    copy, killed = ROOT / ".run" / "mutations" / suite, 0
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
    (copy / ".run").symlink_to(ROOT / ".run")
    reuse = ("--reuse-db",) if (ROOT / f"{suite}_project").exists() else ()
    fresh = [option.replace("reuse", "create") for option in reuse]
    whole = run_tests(copy, sorted({m.test for m in mutations}), *reuse, *fresh)
    for mutation in mutations:
        path, status = copy / mutation.file, whole
        if whole == PASSED:
            path.write_text(mutation.applied_to(path.read_text("utf-8")), "utf-8")
            status = run_tests(copy, [mutation.test], "--exitfirst", *reuse)
            # With its old times, so that its compiled file is valid again.
            shutil.copy2(ROOT / mutation.file, path)
        text = copy.with_suffix(".log").read_text("utf-8", "replace")
        is_killed = whole == PASSED and has_failed(status, text)
        killed += is_killed
        what = f"  {'killed' if is_killed else 'SURVIVED':<8} {mutation.id:<8}"
        why = f"{mutation.test}: {text.strip().rpartition(chr(10))[2]}"
        print(f"{what} {mutation.file}\n    {why}", flush=True)
    shutil.rmtree(copy)
    return killed


def run_tests(copy: Path, tests: Sequence[str], *options: str) -> int:
    """Run tests; returns pytest's exit status. Its output goes to a log by the copy."""
    words = [test.removeprefix(f"{copy.name}_project/") for test in tests]
    words += [*OPTIONS, f"--basetemp={copy.with_suffix('.tmp')}", *options]
    # COLUMNS: so wide that pytest shortens no line.
    env = {"PYTHONPATH": str(copy), "MEMO_VERIFY": "1", "COLUMNS": "1000"}
    command = ["timeout", str(90 + 10 * len(tests)), sys.executable, "-m", "deploy"]
    command += [copy.name, *words]
    return jobs.call(command, {**os.environ, **env}, copy.with_suffix(".log"), copy)


def has_failed(status: int, text: str) -> bool:
    """Whether a test itself failed, by what pytest printed."""
    return status == FAILED and not NOT_RUN.search(text)


def try_all(mutations: Sequence[Mutation]) -> int:
    """Try all mutations. Returns exit status 0 if none survived."""
    suites: dict[str, list[Mutation]] = defaultdict(list)
    for mutation in mutations:
        folder = mutation.test.partition("/")[0].removesuffix("_project")
        suites[SUITES.get(folder, folder)].append(mutation)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        killed = sum(pool.map(try_suite, suites, suites.values()))
    print(f"  {killed} of {len(mutations)} mutations killed")
    return int(killed < len(mutations))


if __name__ == "__main__":
    jobs.handle_interruptions()
    sys.exit(try_all(choose(sys.argv[1:])))
