"""`manage.py keys`: what an operator types and reads."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from shared.keys import key_files, key_store, signing_keys
from shared.keys.key_store import KeyTimestamps
from tests.keys.conftest import BITS
from tests.keys.folders import active, everything, stages, store
from tokens import key_rotation


@pytest.fixture
def run(capsys):
    """The lines that the command prints, its words as they are typed."""

    def call(*words):
        call_command("keys", *words)
        return capsys.readouterr().out.splitlines()

    return call


def test_a_whole_rotation(run, first, folder, settings):
    (line,) = run("stage", "--bits", str(BITS))
    second = line.split()[0]
    assert "is published. Activate it from" in line
    with pytest.raises(CommandError, match="may not know"):
        run("activate", second)

    assert run("activate", second[:6], "--now") == [f"{second} signs from now on."]
    assert [line.split()[:2] for line in run("list")] == [
        [first, "superseded"],
        [second, "active"],
    ]
    (line,) = run("retire", first)
    assert line.startswith(f"{first} no longer signs. It verifies until")
    assert run("prune") == ["Removed 0 keys."]
    gone, successor, hint = run("revoke", second)
    assert gone == f"{second} is gone: what it signed is refused."
    assert successor.endswith("signs from now on.")
    assert "revokesessions --all" in hint
    assert successor.split()[0] == active(folder)


def test_every_stage_is_listed_with_what_comes_next(run, first, folder):
    for text in ("superseded", "retired", "active"):
        kid = key_rotation.stage(BITS)[0]
        if text != "active":
            key_rotation.activate(kid, at_once=True)
    retired, superseded = [k for k, at in stages().items() if at == "superseded"]
    key_rotation.retire(retired)
    found = store()
    found.keys["u" * 43] = KeyTimestamps(staged_at=key_store.clock())
    found.save()

    text = "\n".join(run("list"))

    assert f"{superseded}  superseded  may be retired" in text
    for words in (
        "  active      since 20",
        "  staged      may be activated from 20",
        "  retired     verifies until 20",
        "  unfinished  goes with the next action",
    ):
        assert words in text
    assert len(text.splitlines()) == 5


@pytest.mark.parametrize(
    "kid", ["-" + "a" * 42, "--" + "b" * 41, "-v3456789", "-n0w00"]
)
@pytest.mark.parametrize("option", [[], ["--now"]])
def test_a_kid_may_begin_with_a_hyphen(run, kid, option, monkeypatch):
    seen = []
    monkeypatch.setattr(
        key_rotation, "activate", lambda *words: seen.append(words) or kid
    )
    for words in ([kid, *option], [*option, kid], [*option, "--", kid]):
        run("activate", *words)

    assert seen == [(kid, bool(option))] * 3


def test_so_it_is_at_the_shell(first):
    """Django looks at the words, too, before the command does."""
    project = Path(key_rotation.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "manage.py", "keys", "revoke", "-settings"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "CommandError: No key begins with -settings."
    )


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("rotate",),
        ("activate",),
        ("activate", "abcdefg"),
        ("activate", "abcde"),
        ("activate", "--sooner"),
        ("retire",),
        ("revoke",),
        ("revoke", "abcdef", "ghijkl"),
        ("stage", "--bits", "2047"),
        ("stage", "--bits", "many"),
        ("list", "abcdefg"),
    ],
)
def test_bad_input_changes_nothing(run, first, folder, words):
    before = everything(folder)

    with pytest.raises(CommandError):
        run(*words)

    assert everything(folder) == before


def test_a_read_only_disk_is_reported_in_one_line(run, first, monkeypatch):
    """As in a container, where the folders are mounted read-only."""

    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system", "/run/keys/private")

    monkeypatch.setattr(key_files, "put", refuse)

    with pytest.raises(CommandError, match="/run/keys/private: Read-only file system"):
        run("stage")


def test_it_runs_where_no_key_signs(run, first, folder):
    """The command repairs that; system checks would stop it."""
    signing_keys.generate(folder, BITS)
    (folder / "private" / "keyring.json").unlink()

    assert run("activate", first, "--now") == [f"{first} signs from now on."]
