"""The ceremony of signing keys: its acts, what they refuse, what a kill leaves."""

import json
import multiprocessing
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.keys import key_state, keyring, signing_keys
from tokens import key_folders, key_rotation
from tokens.key_folders import Refused

START = datetime(2030, 1, 1, tzinfo=UTC)
READY = 310  # seconds: JWKS_MAX_AGE and the margin
NEEDED = 30 * 24 * 3600 + 10  # seconds: the refresh token's lifetime and the leeway
BITS = 2048


class Clock:
    """Time passes when somebody sleeps, or says so."""

    def __init__(self):
        self.now = START
        self.slept = 0.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    def sleep(self, seconds):
        self.slept += seconds
        self.passes(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Starts where the machine's is; keys are made by that one."""
    clock = Clock()
    clock.now = datetime.now(UTC)
    for module in (key_folders, key_rotation):
        monkeypatch.setattr(module, "clock", clock)
    monkeypatch.setattr(key_rotation.time, "sleep", clock.sleep)
    monkeypatch.setattr(signing_keys, "RECOMMENDED_BITS", BITS)
    return clock


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return tmp_path


@pytest.fixture(scope="module")
def pool():
    """Made once: making keys is slow, and chance adds nothing here."""
    return [generate_private_key(65537, BITS) for _ in range(5)]


@pytest.fixture(autouse=True)
def _quick_keys(pool, monkeypatch):
    left = iter(pool)
    monkeypatch.setattr(
        signing_keys,
        "generate_private_key",
        lambda **options: next(left, None) or generate_private_key(**options),
    )


@pytest.fixture
def first(folder):
    """The kid of an installation's first key."""
    return signing_keys.generate(folder, BITS)


@pytest.fixture
def second(first, clock):
    """A staged key that may be activated."""
    kid, _ = key_rotation.stage(BITS)
    clock.passes(READY + 1)
    return kid


def published(folder):
    return set(signing_keys.load_public_keys(folder / "public"))


def signers(folder):
    """Keys that could sign, if they were told to."""
    return {path.stem for path in (folder / "private").glob("*.pem")}


def active(folder):
    return signing_keys.load_signing_key(folder / "private").kid


def everything(folder):
    """What lies in both folders, byte for byte."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def stages():
    folders = key_folders.read()
    return {kid: folders.stage(kid) for kid in folders.state.keys}


@pytest.fixture
def heard(monkeypatch):
    """Events of the audit log."""
    events = []
    monkeypatch.setattr(
        key_rotation, "audit", lambda event, **fields: events.append((event, fields))
    )
    return events


# --- Stage --------------------------------------------------------------------------


def test_a_staged_key_is_published_and_does_not_sign(folder, first, clock, heard):
    kid, ready_at = key_rotation.stage(BITS)

    assert published(folder) == {first, kid}
    assert active(folder) == first
    assert stages() == {first: "active", kid: "staged"}
    assert abs(ready_at - clock() - timedelta(seconds=READY)) < timedelta(seconds=5)
    assert heard == [("key_staged", {"kid": kid, "bits": BITS, "by": "operator"})]


@pytest.mark.parametrize("bits", [2047, 4097, 1024, 0, -1])
def test_no_key_is_staged_that_would_be_refused(folder, first, bits):
    before = everything(folder)

    with pytest.raises(signing_keys.KeyFault, match="2048 to 4096"):
        key_rotation.stage(bits)

    assert everything(folder) == before


# --- Activate -----------------------------------------------------------------------


def test_the_key_that_is_activated_signs_and_the_other_verifies(
    folder, first, second, clock, heard
):
    """TOK-18."""
    assert key_rotation.activate(second) == second

    assert active(folder) == second
    assert published(folder) == {first, second}
    assert stages() == {first: "superseded", second: "active"}
    times = key_state.load(folder / "private").keys
    assert times[second].activated_at == times[first].superseded_at == clock()
    event = {"kid": second, "predecessor": first, "by": "operator"}
    assert heard == [("key_activated", event)]
    assert clock.slept == 0


@pytest.mark.parametrize("early", [READY - 5, 0])
def test_a_key_that_others_may_not_know_is_not_activated(
    folder, first, clock, early, settings
):
    kid, ready_at = key_rotation.stage(BITS)
    clock.passes(early)
    before = everything(folder)

    with pytest.raises(Refused, match=f"{ready_at:%H:%M:%S}"):
        key_rotation.activate(kid)

    assert everything(folder) == before
    settings.JWKS_MAX_AGE = 0
    clock.passes(11)
    assert key_rotation.activate(kid) == kid


def test_unless_it_is_wanted_now_and_then_those_with_the_folder_know_it(
    folder, first, clock
):
    kid, _ = key_rotation.stage(BITS)

    key_rotation.activate(kid, at_once=True)

    assert active(folder) == kid
    assert 1 < clock.slept <= 2  # seconds; each of them looks every second


def test_a_superseded_key_may_be_taken_back(folder, first, second):
    key_rotation.activate(second)

    key_rotation.activate(first)

    assert stages() == {first: "active", second: "superseded"}
    assert key_state.load(folder / "private").keys[first].superseded_at is None


def test_what_is_active_cannot_be_activated(folder, first):
    before = everything(folder)

    with pytest.raises(Refused, match="active already"):
        key_rotation.activate(first)

    assert everything(folder) == before


@pytest.mark.parametrize("half", ["public", "private"])
@pytest.mark.parametrize("how", ["missing", "broken"])
def test_half_a_key_is_not_activated(folder, first, second, half, how):
    path = folder / half / f"{second}.pem"
    path.unlink()
    if how == "broken":
        path.write_text("x")

    with pytest.raises((Refused, signing_keys.KeyFault)):
        key_rotation.activate(second)

    assert active(folder) == first


# --- Retire and prune ---------------------------------------------------------------


def test_a_retired_key_verifies_until_its_last_token_has_expired(
    folder, first, second, clock, heard
):
    key_rotation.activate(second)
    superseded = clock()
    clock.passes(3600)

    kid, needed_until = key_rotation.retire(first)

    assert kid == first
    assert needed_until == superseded + timedelta(seconds=NEEDED)
    assert signers(folder) == {second}
    assert published(folder) == {first, second}
    assert stages()[first] == "retired"
    assert heard[-1][0] == "key_retired"


def test_retiring_may_be_repeated_and_changes_no_time(folder, first, second, clock):
    key_rotation.activate(second)
    _, needed_until = key_rotation.retire(first)
    clock.passes(3600)
    before = everything(folder)

    assert key_rotation.retire(first) == (first, needed_until)
    assert everything(folder) == before


def test_only_a_key_that_was_superseded_is_retired(folder, first, second):
    before = everything(folder)
    for kid, why in ((first, "is active"), (second, "never used")):
        with pytest.raises(Refused, match=why):
            key_rotation.retire(kid)

    assert everything(folder) == before


def test_a_retired_key_cannot_come_back(folder, first, second):
    key_rotation.activate(second)
    key_rotation.retire(first)

    with pytest.raises(signing_keys.KeyFault, match="private key"):
        key_rotation.activate(first)
    assert active(folder) == second


def test_pruning_removes_what_is_due_and_nothing_before(
    folder, first, second, clock, heard
):
    key_rotation.activate(second)
    key_rotation.retire(first)
    clock.passes(NEEDED - 1)
    assert key_rotation.prune() == []
    assert published(folder) == {first, second}

    clock.passes(1)

    assert key_rotation.prune() == [first]
    assert published(folder) == {second}
    assert stages() == {second: "active"}
    assert heard[-1] == ("key_pruned", {"kid": first, "by": "operator"})


def test_pruning_never_takes_a_key_that_may_sign(folder, first, second, clock):
    key_rotation.activate(second)
    third, _ = key_rotation.stage(BITS)
    clock.passes(10 * NEEDED)

    assert key_rotation.prune() == []
    assert published(folder) == {first, second, third}


def test_the_longer_of_both_lifetimes_counts(first, second, settings, clock):
    settings.REFRESH_TOKEN_LIFETIME, settings.ACCESS_TOKEN_LIFETIME = 60, 600
    key_rotation.activate(second)

    assert key_rotation.retire(first)[1] == clock() + timedelta(seconds=610)


# --- Revoke -------------------------------------------------------------------------


def test_a_revoked_key_is_gone_and_a_waiting_one_signs(
    folder, first, second, clock, heard
):
    third, _ = key_rotation.stage(BITS)

    assert key_rotation.revoke(first) == (first, second)

    assert stages() == {second: "active", third: "staged"}
    assert published(folder) == {second, third}
    assert signers(folder) == {second, third}
    assert heard[-1] == (
        "key_revoked",
        {"kid": first, "successor": second, "by": "operator"},
    )
    assert clock.slept == key_rotation.FOLLOWED


def test_where_none_waits_a_new_one_signs(folder, first, clock):
    _, successor = key_rotation.revoke(first)

    assert active(folder) == successor
    assert published(folder) == signers(folder) == {successor}
    assert 1 < clock.slept <= 2.5  # seconds: it is seen before it is used


def test_a_waiting_key_that_is_broken_does_not_stop_it(folder, first, second):
    (folder / "public" / f"{second}.pem").unlink()

    _, successor = key_rotation.revoke(first)

    assert successor not in (first, second)
    assert active(folder) == successor
    assert first not in published(folder)


@pytest.mark.parametrize("stage", ["staged", "superseded", "retired"])
def test_any_other_key_is_revoked_too_and_the_signer_stays(
    folder, first, second, stage
):
    kid, signer = first, second
    if stage == "staged":
        kid, signer = second, first
    else:
        key_rotation.activate(second)
    if stage == "retired":
        key_rotation.retire(first)

    assert key_rotation.revoke(kid) == (kid, None)

    assert active(folder) == signer
    assert published(folder) == signers(folder) == {signer}
    assert stages() == {signer: "active"}


def test_a_key_whose_public_half_was_removed_by_hand_is_revoked(folder, first):
    """In a panic, and rightly so: it is the quickest way."""
    (folder / "public" / f"{first}.pem").unlink()

    _, successor = key_rotation.revoke(first)

    assert active(folder) == successor
    assert published(folder) == {successor}


# --- Names --------------------------------------------------------------------------


def test_a_key_is_named_by_its_first_characters(folder, first, second):
    assert key_rotation.activate(second[:6]) == second


@pytest.mark.parametrize("length", [0, 1, 5])
def test_five_characters_are_too_few(first, second, length):
    with pytest.raises(Refused, match="6 characters"):
        key_rotation.activate(second[:length])


@pytest.mark.parametrize("text", ["x" * 43, "../../etc", "keyring", "a\0bcdefg"])
def test_what_names_no_key_is_refused(folder, first, text):
    before = everything(folder)
    for act in (key_rotation.activate, key_rotation.retire, key_rotation.revoke):
        with pytest.raises(Refused, match="No key begins"):
            act(text)

    assert everything(folder) == before


def test_a_beginning_of_two_names_is_refused(folder, first, second):
    state = key_state.load(folder / "private")
    for last in "ab":
        state.keys[f"-twins-{last}"] = key_state.Times(superseded_at=START)
        (folder / "public" / f"-twins-{last}.pem").touch()
    key_state.save(folder / "private", state)

    with pytest.raises(Refused, match="Several"):
        key_rotation.revoke("-twins-")
    assert key_rotation.revoke("-twins-a")[0] == "-twins-a"


# --- Installations that are older, and keys that came by hand -----------------------


def without_state(folder):
    (folder / "private" / "keyring.json").unlink()


def test_an_only_key_is_active_without_having_been_activated(folder, first, clock):
    without_state(folder)
    kid, _ = key_rotation.stage(BITS)
    clock.passes(READY + 5)

    key_rotation.activate(kid)

    assert stages() == {first: "superseded", kid: "active"}


def test_of_several_the_operator_names_the_one_that_signs(folder, first, second):
    without_state(folder)
    with pytest.raises(signing_keys.KeyFault, match="keys activate KID --now"):
        active(folder)

    key_rotation.activate(second, at_once=True)

    # The other may have signed until this moment.
    assert stages() == {first: "superseded", second: "active"}
    assert key_rotation.retire(first)[1] > key_folders.clock() + timedelta(days=29)


def test_a_public_half_that_was_left_alone_is_kept_as_long_as_it_may_be_needed(
    folder, first, second, clock
):
    (folder / "private" / f"{first}.pem").unlink()
    without_state(folder)
    assert stages() == {first: "retired", second: "active"}
    assert key_rotation.prune() == []  # which writes it down
    clock.passes(NEEDED)

    assert key_rotation.prune() == [first]


# --- Interrupted --------------------------------------------------------------------


class Killed(BaseException):
    """As by kill -9: nothing catches it."""


STEPS = ("put", "remove", "sync")  # whatever reaches the disk goes through these


def kill_at(monkeypatch, number):
    """Have the step of this number, counted from one, be the last that is begun."""
    count = [0]

    def wrap(step):
        def counted(*arguments):
            count[0] += 1
            if count[0] >= number:
                raise Killed
            return step(*arguments)

        return counted

    for name in STEPS:
        monkeypatch.setattr(key_state, name, wrap(getattr(key_state, name)))


def prepared(name, first, second):
    """An act, and a system that is ready for it."""
    if name in ("retire", "prune", "revoke a superseded one"):
        key_rotation.activate(second)
    if name == "prune":
        key_rotation.retire(first)
        key_folders.clock.passes(NEEDED)
    if name == "revoke the only one":
        key_rotation.revoke(second)
    return {
        "stage": lambda: key_rotation.stage(BITS),
        "activate": lambda: key_rotation.activate(second),
        "retire": lambda: key_rotation.retire(first),
        "prune": key_rotation.prune,
    }.get(name, lambda: key_rotation.revoke(first))


def is_done(name, folder, first, second):
    """Whether there is what the act is for."""
    there = {half.stem for half in folder.rglob("*.pem")}
    return {
        "stage": len(there) >= 3 and "staged" in stages().values(),
        "activate": active(folder) == second,
        "retire": first in published(folder) - signers(folder),
    }.get(name, first not in there)


def is_sound(folder):
    """Somebody signs, and everybody can verify it."""
    signer = active(folder)
    return signer in keyring.FolderKeys(folder / "public").all()


@pytest.mark.parametrize("number", range(1, 15))
@pytest.mark.parametrize(
    "name",
    [
        *("stage", "activate", "retire", "prune"),
        *("revoke", "revoke a superseded one", "revoke the only one"),
    ],
)
def test_killed_at_any_step_the_system_is_sound_and_the_act_can_be_repeated(
    folder, first, second, name, number, monkeypatch
):
    run = prepared(name, first, second)
    goes = {first} if name.startswith(("prune", "revoke")) else set()
    needed = published(folder) - goes
    with monkeypatch.context() as patch, suppress(Killed):
        kill_at(patch, number)
        run()
        assert number > 2  # the first two steps of each have been tried

    assert is_sound(folder)
    assert published(folder) >= needed

    with suppress(Refused):  # where only the last word was missing
        run()

    assert is_sound(folder)
    assert is_done(name, folder, first, second)
    key_rotation.prune()
    assert "unfinished" not in stages().values()
    assert not list(folder.rglob(".*.draft"))


def test_a_key_that_never_signed_is_cleared_away_when_its_making_was_interrupted(
    folder, first, monkeypatch
):
    with monkeypatch.context() as patch:
        kill_at(patch, 5)  # after the note and the public half, each of two steps
        with pytest.raises(Killed):
            key_rotation.stage(BITS)
    (half,) = published(folder) - {first}
    assert stages()[half] == "unfinished"

    key_rotation.prune()

    assert published(folder) == {first}
    assert stages() == {first: "active"}


def test_an_act_that_fails_on_the_disk_changes_nothing_that_serves(
    folder, first, second, monkeypatch
):
    def full(*arguments):
        raise OSError(28, "No space left on device", "keyring.json")

    with monkeypatch.context() as patch:
        patch.setattr(key_state, "put", full)
        for run in (
            lambda: key_rotation.stage(BITS),
            lambda: key_rotation.activate(second),
        ):
            with pytest.raises(OSError, match="No space"):
                run()

    assert stages() == {first: "active", second: "staged"}
    assert is_sound(folder)


# --- Two at once --------------------------------------------------------------------


def stage_one(public, private, queue):
    with key_state.locked(private):
        state = key_state.load(private)
        queue.put(signing_keys.add(public, private, state, BITS))


def test_two_at_once_come_one_after_the_other(folder, first, monkeypatch):
    """No note of one is lost in that of another."""
    monkeypatch.setattr(signing_keys, "generate_private_key", generate_private_key)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    folders = (folder / "public", folder / "private")
    processes = [
        context.Process(target=stage_one, args=(*folders, queue)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    made = {queue.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)

    assert len(made) == 4
    assert published(folder) == {first, *made}
    assert set(key_state.load(folder / "private").keys) == {first, *made}
    assert json.loads((folder / "private" / "keyring.json").read_text())
