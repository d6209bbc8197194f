"""The command line: help, usage, and commands on a stack that does not run."""

import re

import pytest

from deploy.local import __main__ as cli
from deploy.local.problems import MISSING, USAGE

from .checkout import Checkout

WORDS = sorted(cli.COMMANDS)


def files(checkout: Checkout) -> set[str]:
    found = checkout.path.rglob("*")
    return {str(path) for path in found if "__pycache__" not in path.parts}


@pytest.mark.parametrize("word", WORDS)
def test_help_is_never_an_action(bare: Checkout, word: str) -> None:
    before = files(bare)
    said = bare.ok(word, "--help")
    assert re.match(rf"usage: \S*manage_all\.sh {word}\b", said)
    assert files(bare) == before


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["-h"]])
def test_help_lists_daily_commands_first(bare: Checkout, words: list[str]) -> None:
    before, said = files(bare), bare.ok(*words)
    parts = [said.index(part) for part in ("Every day", "Development", "Proof")]
    assert parts == sorted(parts)
    assert "startservice" in said[parts[1] : parts[2]]
    assert "verify" in said[parts[2] :]
    assert "up " in said[: parts[1]]
    for word in WORDS:
        assert re.search(rf"^ .*\b{word}\b", said, re.MULTILINE), word
    assert files(bare) == before


@pytest.mark.parametrize(
    "words", [["up", "now"], ["down", "--all"], ["start"], ["logs", "a", "b"]]
)
def test_a_word_too_many_or_too_few_is_a_usage(
    bare: Checkout, words: list[str]
) -> None:
    before, done = files(bare), bare.run(*words)
    assert done.returncode == USAGE
    assert "usage:" in done.stdout
    assert files(bare) == before


@pytest.mark.parametrize(
    "words", [["start", "auth"], ["stop", "auth"], ["restart"], ["demo"]]
)
def test_a_command_that_needs_the_stack_says_so_in_a_line(
    bare: Checkout, words: list[str]
) -> None:
    before, done = files(bare), bare.run(*words)
    assert done.returncode == MISSING, done.stdout
    assert done.stdout == (
        "memo: The stack is not running.\n  Start it: ./manage_all.sh up\n"
    )
    assert files(bare) == before


def test_the_state_of_a_stack_that_was_never_started(bare: Checkout) -> None:
    done = bare.run("status")
    assert (done.returncode, done.stdout.split()) == (MISSING, ["stopped"])
    assert "nothing was running" in bare.ok("down")
