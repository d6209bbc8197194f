"""`manage.py keys`: what an operator types and reads."""

import pytest
from django.core.management import CommandError, call_command

from shared.keys import key_store, signing_keys
from tests.keys.conftest import BITS, active, everything, stage
from tokens import key_rotation


@pytest.fixture
def run(capsys):
    """The lines that the command prints, its words as they are typed."""

    def call(*words):
        call_command("keys", *words)
        return capsys.readouterr().out.splitlines()

    return call


def test_a_whole_rotation(run, first, folder):
    (line,) = run("stage", "--bits", str(BITS))
    second = line.split()[0]
    assert "is published. Activate it from" in line
    with pytest.raises(CommandError, match="may not know"):
        run("activate", second)

    assert run("activate", second[:6], "--now") == [f"{second} signs from now on."]
    (line,) = run("retire", first)
    assert line.startswith(f"{first} no longer signs. It verifies until")
    assert run("prune") == ["Removed 0 keys."]
    gone, successor, hint = run("revoke", second)
    assert gone == f"{second} is removed: tokens that it signed are refused."
    assert successor.endswith("signs from now on.")
    assert "revokesessions --all" in hint
    assert successor.split()[0] == active(folder)


def test_every_stage_is_listed_with_what_comes_next(run, first):
    retired, (superseded, signer, staged) = first, [stage() for _ in range(3)]
    key_rotation.activate(superseded, now=True)
    key_rotation.retire(retired)
    key_rotation.activate(signer, now=True)

    lines = dict(line.split("  ", 1) for line in run("list"))

    assert lines.keys() == {retired, superseded, signer, staged}
    assert lines[retired].startswith("retired     verifies until 20")
    assert lines[superseded] == "superseded  may be retired"
    assert lines[signer].startswith("active      signs; published 20")
    assert lines[staged].startswith("staged      may be activated from 20")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "required"),
        ("activate", "required"),
        ("activate abcdefg", "does not name exactly one key"),
        ("retire --now abcdef", "unrecognized"),
        ("revoke abcdef ghijkl", "unrecognized"),
        ("stage --bits 2047", "2048"),
        ("retire {0}", "is active"),
        ("retire {1}", "is staged"),
        ("activate {0}", "active already"),
        *((f"{action} abcde", "6 or more") for action in ("retire", "revoke")),
    ],
)
def test_bad_input_changes_nothing(run, first, second, folder, words, reason):
    before = everything(folder)

    with pytest.raises(CommandError, match=reason):
        run(*words.format(first, second).split())

    assert everything(folder) == before


def test_a_read_only_disk_is_reported_in_one_line(run, first, monkeypatch):
    """As in a container, where the folders are mounted read-only."""

    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system", "/run/keys/private")

    monkeypatch.setattr(key_store, "put", refuse)

    with pytest.raises(CommandError, match="/run/keys/private: Read-only file system"):
        run("stage")


def test_it_runs_where_no_key_signs(run, first, folder):
    """The command repairs that; system checks would stop it."""
    signing_keys.generate(folder, BITS)
    (folder / "private" / "active").unlink()

    assert run("activate", first, "--now") == [f"{first} signs from now on."]
