"""The command line: help, usage, and commands on a stack that does not run."""

import re

import pytest

from deploy.local import __main__ as cli
from deploy.local.problems import MISSING, USAGE

from .checkout import Checkout


@pytest.mark.parametrize("word", cli.COMMANDS)
def test_every_command_has_its_help(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([word, "--help"])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert re.match(rf"usage: \S*manage_all\.sh {word}\b", said)


def test_help_is_never_an_action(bare: Checkout) -> None:
    before = bare.files()
    assert bare.ok("up", "--help").startswith("usage:")
    for words in ([], ["help"], ["--help"], ["-h"]):
        said = bare.ok(*words)
        parts = [said.index(part) for part in ("Every day", "Development", "Proof")]
        assert parts == sorted(parts)
        assert "up " in said[: parts[1]]
        assert "startservice" in said[parts[1] : parts[2]]
        assert "verify" in said[parts[2] :]
        for word in cli.COMMANDS:
            assert re.search(rf"^ .*\b{word}\b", said, re.MULTILINE), word
    assert bare.files() == before


@pytest.mark.parametrize(
    "words", [["up", "now"], ["down", "--all"], ["start"], ["logs", "a", "b"]]
)
def test_a_word_too_many_or_too_few_is_a_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == USAGE
    assert "usage:" in capsys.readouterr().err


def test_a_command_that_needs_the_stack_says_so_in_a_line(bare: Checkout) -> None:
    before = bare.files()
    for words in (["start", "auth"], ["stop", "auth"], ["restart"], ["demo"]):
        done = bare.run(*words)
        assert done.returncode == MISSING, done.stdout
        assert done.stdout == (
            "memo: The stack is not running.\n  Start it: ./manage_all.sh up\n"
        )
    assert bare.files() == before


def test_the_state_of_a_stack_that_was_never_started(bare: Checkout) -> None:
    done = bare.run("status")
    assert (done.returncode, done.stdout.split()) == (MISSING, ["stopped"])
    assert "nothing was running" in bare.ok("down")
