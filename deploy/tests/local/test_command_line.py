"""The command line: help, usage, and commands on a stack that does not run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import __main__ as cli
from deploy.local.problems import MISSING, USAGE
from deploy.local.setup.layout import ROOT

from .checkout import Checkout

NOT_RUNNING = "memo: The stack is not running.\n  Start it: ./manage_all.sh up\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        *(([word, "--help"], 0) for word in cli.COMMANDS),
        *(([*words.split()], USAGE) for words in ("up now", "start", "logs a b")),
    ],
)
def test_a_command_has_its_help_and_a_usage(
    words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert (ended.value.code or 0) == status
    said = "".join(capsys.readouterr())
    command = "" if status else f" {words[0]}"
    assert re.match(rf"usage: \S*manage_all\.sh{command}\b", said)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        *((name, f"-m deploy {name}") for name in ("fuzz", "model", "mutate", "chaos")),
        ("attack", "-m deploy.tests.attack"),
        ("bench", "-m bench"),
        ("doctor", "-c __import__('deploy.local.doctor').local.doctor.run(0,['-h'])"),
    ],
)
def test_help_lists_each_option_of_the_program_that_gets_the_words(
    command: str, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [sys.executable, *program.split(), "--help"]
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    option = re.compile(r"^  (--[\w-]+)", re.MULTILINE)
    own = option.findall(subprocess.check_output(words, cwd=ROOT, text=True))
    assert own
    assert {*option.findall(said)} == {*own}


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["-h"]])
def test_help_names_every_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    parts = ["", *re.split("Every day|Development|Proof", said)[1:]]
    for part, word in enumerate(("up", "startservice", "verify"), 1):
        assert f"  {word} " in parts[part]
    for word in cli.COMMANDS:
        assert re.search(rf"^ .*\b{word}\b", said, re.MULTILINE), word


def test_the_script_runs_its_own_checkout_whatever_cd_would_prefer(
    tmp_path: Path,
) -> None:
    """`destroy` in another checkout would be a pity."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\npwd\n")
    python.chmod(0o755)
    for folder in ("here", "elsewhere"):
        (tmp_path / folder / "memo").mkdir(parents=True)
        shutil.copy(ROOT / "manage_all.sh", tmp_path / folder / "memo")
    env = {**os.environ, "CDPATH": f"{tmp_path}/elsewhere", "MEMO_PYTHON": str(python)}
    script, here = "memo/manage_all.sh", tmp_path / "here"
    said = subprocess.check_output([script], cwd=here, env=env, text=True)
    assert said == f"{here}/memo\n"


def test_help_and_commands_that_need_a_stack_change_nothing(bare: Checkout) -> None:
    before = bare.files()
    assert bare.ok("up", "--help").startswith("usage:")
    assert "startservice" in bare.ok()
    for words in (["start", "auth"], ["stop", "auth"], ["restart"], ["demo"]):
        done = bare.run(*words)
        assert (done.returncode, done.stdout) == (MISSING, NOT_RUNNING)
    assert bare.files() == before
    done = bare.run("status")
    assert (done.returncode, done.stdout.split()) == (MISSING, ["stopped"])
    assert "nothing was running" in bare.ok("down")
