"""Actions on keys that are killed at any step, fail on the disk, or run at once."""

import json
import multiprocessing
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.keys import key_files, keyring, signing_keys
from shared.keys.key_store import KeyActionRefused
from tests.keys.conftest import BITS
from tests.keys.folders import active, published, signers, stages
from tests.keys.test_key_rotation import NEEDED
from tokens import key_rotation

STEPS = ("put", "remove", "sync")  # all that reaches the disk goes through these


class Killed(BaseException):
    """As by kill -9: no handler catches it."""


def kill_at(monkeypatch, number):
    """Let the step of this number, counted from one, be the first that fails."""
    count = [0]

    def wrap(step):
        def counted(*arguments, **options):
            count[0] += 1
            if count[0] >= number:
                raise Killed
            return step(*arguments, **options)

        return counted

    for name in STEPS:
        monkeypatch.setattr(key_files, name, wrap(getattr(key_files, name)))


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
        "stage": lambda: key_rotation.stage(BITS),
        "activate": lambda: key_rotation.activate(second),
        "retire": lambda: key_rotation.retire(first),
        "prune": key_rotation.prune,
    }.get(name, lambda: key_rotation.revoke(first))


def is_done(name, folder, first, second):
    """Whether the action has had its effect."""
    halves = {half.stem for half in folder.rglob("*.pem")}
    return {
        "stage": len(halves) >= 3 and "staged" in stages().values(),
        "activate": active(folder) == second,
        "retire": first in published(folder) - signers(folder),
    }.get(name, first not in halves)


def is_sound(folder):
    """A key signs, and every service can verify it."""
    return active(folder) in keyring.FolderKeys(folder / "public").all()


@pytest.mark.parametrize("number", range(1, 16))
@pytest.mark.parametrize(
    "name",
    [
        *("stage", "activate", "retire", "prune"),
        *("revoke", "revoke a superseded one", "revoke the only one"),
    ],
)
def test_killed_at_any_step_the_system_is_sound_and_the_action_can_be_repeated(
    folder, first, second, clock, name, number, monkeypatch
):
    run = prepared(name, first, second, clock)
    removed = {first} if name.startswith(("prune", "revoke")) else set()
    needed = published(folder) - removed
    with monkeypatch.context() as patch, suppress(Killed):
        kill_at(patch, number)
        run()
        assert number > 2  # the first two steps of each have been tried

    assert is_sound(folder)
    assert published(folder) >= needed

    with suppress(KeyActionRefused):  # if only the end was missing
        run()

    assert is_sound(folder)
    assert is_done(name, folder, first, second)
    key_rotation.prune()
    assert "unfinished" not in stages().values()
    assert not list(folder.rglob(".*.draft"))


def test_a_pair_whose_making_was_interrupted_is_cleaned_up(folder, first, monkeypatch):
    with monkeypatch.context() as patch:
        kill_at(patch, 5)  # after the note and the public half, each of two steps
        with pytest.raises(Killed):
            key_rotation.stage(BITS)
    (half,) = published(folder) - {first}
    assert stages()[half] == "unfinished"

    key_rotation.prune()

    assert published(folder) == {first}
    assert stages() == {first: "active"}


def test_a_full_disk_changes_nothing_that_serves(folder, first, second, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device", "keyring.json")

    with monkeypatch.context() as patch:
        patch.setattr(key_files, "put", full)
        for run in (
            lambda: key_rotation.stage(BITS),
            lambda: key_rotation.activate(second),
        ):
            with pytest.raises(OSError, match="No space"):
                run()

    assert stages() == {first: "active", second: "staged"}
    assert is_sound(folder)


def stage_one(queue):
    queue.put(key_rotation.stage(BITS)[0])


def test_two_at_once_come_one_after_the_other(folder, first, monkeypatch):
    """The note of one action is not lost in that of another."""
    monkeypatch.setattr(signing_keys, "generate_private_key", generate_private_key)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=stage_one, args=(queue,)) for _ in range(4)]
    for process in processes:
        process.start()
    made = {queue.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)

    assert len(made) == 4
    assert published(folder) == {first, *made}
    state = json.loads((folder / "private" / "keyring.json").read_text())
    assert set(state["keys"]) == {first, *made}
