"""Actions on keys that are killed at any step, fail on the disk, or run at once."""

import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.keys import keyring, signing_keys
from shared.keys.key_store import KeyFault
from tests.keys.conftest import NEEDED, active, published, signers, stage, stages
from tokens import key_rotation

# All that reaches the disk goes through these.
STEPS = ((os, "fsync"), (Path, "rename"), (Path, "unlink"))


class Killed(BaseException):
    """As by kill -9: no handler catches it."""


def killed(monkeypatch, number, run):
    """Run, and let all steps fail from this number on, counted from one. Whether there
    were as many."""
    steps = count(1)

    def wrap(step):
        def counted(*arguments, **options):
            if next(steps) >= number:
                raise Killed
            return step(*arguments, **options)

        return counted

    with monkeypatch.context() as patch, suppress(Killed):
        for owner, name in STEPS:
            patch.setattr(owner, name, wrap(getattr(owner, name)))
        run()
    return next(steps) > number


def prepared(name, first, second, clock):
    """An action, in a system that is ready for it."""
    if name in ("retire", "prune", "revoke a superseded one"):
        key_rotation.activate(second)
    if name == "prune":
        key_rotation.retire(first)
        clock.passes(NEEDED)
    if name == "revoke the only one":
        key_rotation.revoke(second)
    return {
        "stage": stage,
        "activate": lambda: key_rotation.activate(second),
        "retire": lambda: key_rotation.retire(first),
        "prune": key_rotation.prune,
    }.get(name, lambda: key_rotation.revoke(first))


def is_done(name, folder, first, second):
    """Whether the action has had its effect."""
    halves = {half.stem for half in folder.rglob("*.pem")}
    return {
        "stage": list(stages().values()).count("staged") >= 2,
        "activate": active(folder) == second,
        "retire": first in published(folder) - signers(folder),
    }.get(name, first not in halves)


def is_sound(folder):
    """A key signs, and every service can verify it."""
    return active(folder) in keyring.FolderKeys(folder / "public").all()


@pytest.mark.parametrize(
    "name",
    [
        *("stage", "activate", "retire", "prune"),
        *("revoke", "revoke a superseded one", "revoke the only one"),
    ],
)
def test_killed_at_any_step_the_system_is_sound_and_the_action_can_be_repeated(
    folder, first, second, clock, name, monkeypatch, tmp_path_factory
):
    run = prepared(name, first, second, clock)
    removed = {first} if name.startswith(("prune", "revoke")) else set()
    needed = published(folder) - removed
    before = shutil.copytree(folder, tmp_path_factory.mktemp("before") / "keys")

    for number in count(1):
        was_killed = killed(monkeypatch, number, run)
        assert is_sound(folder)
        assert published(folder) >= needed

        with suppress(KeyFault):  # if only the end was missing
            run()

        assert is_sound(folder)
        assert is_done(name, folder, first, second)
        assert not list(folder.rglob(".*.draft"))
        if not was_killed:
            break
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
    assert number > 2


def test_a_first_pair_whose_making_was_interrupted_is_made_again(folder, monkeypatch):
    """`up` does so as long as there is no private key."""

    def make():
        if not signers(folder):
            signing_keys.generate(folder)

    for number in count(1):
        was_killed = killed(monkeypatch, number, make)
        make()
        assert is_sound(folder)
        if not was_killed:
            break
        shutil.rmtree(folder)
        folder.mkdir()


def test_a_half_that_is_left_alone_is_removed_in_time(
    folder, first, monkeypatch, clock
):
    """Of a pair whose making was interrupted, or that somebody removed half of."""
    assert killed(monkeypatch, 7, stage)  # each file takes three steps
    (half,) = published(folder) - {first}
    assert stages() == {first: "active", half: "retired"}
    assert key_rotation.prune() == "Removed 0 keys."  # which notes the time
    clock.passes(NEEDED)

    assert key_rotation.prune() == "Removed 1 keys."
    assert stages() == {first: "active"}


def test_two_at_once_come_one_after_the_other(folder, first, monkeypatch):
    """Neither removes what the other is writing."""
    monkeypatch.setattr(signing_keys, "generate_private_key", generate_private_key)
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(4, mp_context=fork) as pool:
        made = {each.result(60) for each in [pool.submit(stage) for _ in range(4)]}

    assert stages() == {first: "active", **dict.fromkeys(made, "staged")}
    assert len(made) == 4
