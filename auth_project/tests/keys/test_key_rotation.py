"""The rotation of signing keys: what each action does, and what it refuses."""

from datetime import timedelta

import pytest

from shared.keys import key_store
from shared.keys.key_store import KeyActionRefused
from shared.keys.signing_keys import KeyFault
from tests.keys.conftest import BITS, READY
from tests.keys.folders import active, everything, published, signers, stages, store
from tokens import key_rotation

NEEDED = 30 * 24 * 3600 + 10  # seconds: the refresh token's lifetime and the leeway


@pytest.fixture
def events(monkeypatch):
    """Events of the audit log."""
    found = []
    monkeypatch.setattr(
        key_rotation, "audit", lambda event, **fields: found.append((event, fields))
    )
    return found


# --- Stage and activate -------------------------------------------------------------


def test_a_staged_key_is_published_and_does_not_sign(folder, first, clock, events):
    kid, ready_at = key_rotation.stage(BITS)

    assert published(folder) == {first, kid}
    assert active(folder) == first
    assert stages() == {first: "active", kid: "staged"}
    assert ready_at == clock() + timedelta(seconds=READY)
    assert events == [("key_staged", {"kid": kid, "bits": BITS, "by": "operator"})]


@pytest.mark.parametrize("bits", [2047, 4097, 0, -1])
def test_no_key_is_staged_that_would_be_refused(folder, first, bits):
    before = everything(folder)

    with pytest.raises(KeyFault, match="2048 to 4096"):
        key_rotation.stage(bits)

    assert everything(folder) == before


def test_the_activated_key_signs_and_the_other_verifies(
    folder, first, second, clock, events
):
    """TOK-18."""
    assert key_rotation.activate(second) == second

    assert active(folder) == second
    assert published(folder) == {first, second}
    assert stages() == {first: "superseded", second: "active"}
    times = store().keys
    assert times[second].activated_at == times[first].superseded_at == clock()
    event = {"kid": second, "predecessor": first, "by": "operator"}
    assert events == [("key_activated", event)]
    assert clock.slept == 0


@pytest.mark.parametrize("early", [READY - 5, 0])
def test_a_key_that_others_may_not_know_is_not_activated(
    folder, first, clock, early, settings
):
    kid, ready_at = key_rotation.stage(BITS)
    clock.passes(early)
    before = everything(folder)

    with pytest.raises(KeyActionRefused, match=f"{ready_at:%H:%M:%S}"):
        key_rotation.activate(kid)

    assert everything(folder) == before
    settings.JWKS_MAX_AGE = 0
    clock.passes(11)
    assert key_rotation.activate(kid) == kid


def test_unless_it_is_wanted_now_and_then_readers_of_the_folder_know_it(
    folder, first, clock
):
    kid, _ = key_rotation.stage(BITS)

    key_rotation.activate(kid, at_once=True)

    assert active(folder) == kid
    assert 1 < clock.slept <= 2  # seconds; each of them looks every second


def test_a_superseded_key_may_be_taken_back(first, second):
    key_rotation.activate(second)

    key_rotation.activate(first)

    assert stages() == {first: "active", second: "superseded"}
    assert store().keys[first].superseded_at is None


@pytest.mark.parametrize("half", ["public", "private"])
@pytest.mark.parametrize("how", ["missing", "broken"])
def test_half_a_key_is_not_activated(folder, first, second, half, how):
    path = folder / half / f"{second}.pem"
    path.unlink()
    if how == "broken":
        path.write_text("x")

    with pytest.raises((KeyActionRefused, KeyFault)):
        key_rotation.activate(second)

    assert active(folder) == first


# --- Retire and prune ---------------------------------------------------------------


def test_a_retired_key_verifies_until_its_last_token_has_expired(
    folder, first, second, clock, events
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
    assert events[-1][0] == "key_retired"
    clock.passes(3600)
    before = everything(folder)
    assert key_rotation.retire(first) == (first, needed_until)  # may be repeated
    assert everything(folder) == before
    with pytest.raises(KeyFault, match="private key"):
        key_rotation.activate(first)
    assert active(folder) == second


@pytest.mark.parametrize(
    ("action", "kid", "reason"),
    [
        ("retire", 0, "is active"),
        ("retire", 1, "never used"),
        ("activate", 0, "active already"),
        *((action, "x" * 43, "No key begins") for action in ("retire", "revoke")),
        *(("activate", text, "No key begins") for text in ("../../etc", "a\0bcdefg")),
        *(("activate", text, "6 characters") for text in ("", "abcde")),
    ],
)
def test_an_action_that_does_not_fit_is_refused(
    folder, first, second, action, kid, reason
):
    before = everything(folder)
    text = kid if isinstance(kid, str) else (first, second)[kid]

    with pytest.raises(KeyActionRefused, match=reason):
        getattr(key_rotation, action)(text)

    assert everything(folder) == before


def test_pruning_removes_a_key_when_it_is_due_and_not_before(
    folder, first, second, clock, events
):
    key_rotation.activate(second)
    key_rotation.retire(first)
    third, _ = key_rotation.stage(BITS)
    clock.passes(NEEDED - 1)
    assert key_rotation.prune() == []
    assert published(folder) == {first, second, third}

    clock.passes(1)

    assert key_rotation.prune() == [first]
    assert events[-1] == ("key_pruned", {"kid": first, "by": "operator"})
    clock.passes(10 * NEEDED)
    assert key_rotation.prune() == []  # never a key that may sign
    assert stages() == {second: "active", third: "staged"}


def test_the_longer_of_both_lifetimes_counts(first, second, settings, clock):
    settings.REFRESH_TOKEN_LIFETIME, settings.ACCESS_TOKEN_LIFETIME = 60, 600
    key_rotation.activate(second)

    assert key_rotation.retire(first)[1] == clock() + timedelta(seconds=610)


# --- Revoke -------------------------------------------------------------------------


def test_a_revoked_key_is_gone_and_a_staged_one_signs(
    folder, first, second, clock, events
):
    third, _ = key_rotation.stage(BITS)

    assert key_rotation.revoke(first) == (first, second)

    assert stages() == {second: "active", third: "staged"}
    assert published(folder) == signers(folder) == {second, third}
    event = {"kid": first, "successor": second, "by": "operator"}
    assert events[-1] == ("key_revoked", event)
    assert clock.slept == key_rotation.FOLLOWED


@pytest.mark.parametrize("removed", [False, True])
def test_if_none_is_staged_a_new_one_signs(folder, first, clock, removed):
    """Also if the public half was removed by hand, which is the quickest way."""
    if removed:
        (folder / "public" / f"{first}.pem").unlink()

    _, successor = key_rotation.revoke(first)

    assert active(folder) == successor != first
    assert published(folder) == signers(folder) == {successor}
    assert 1 < clock.slept <= 2.5  # seconds: it is seen before it is used


def test_a_staged_key_that_is_broken_does_not_stop_it(folder, first, second):
    (folder / "public" / f"{second}.pem").unlink()

    _, successor = key_rotation.revoke(first)

    assert successor not in (first, second)
    assert active(folder) == successor
    assert first not in published(folder)


@pytest.mark.parametrize("stage", ["staged", "superseded", "retired"])
def test_any_other_key_is_revoked_too_and_the_signer_stays(
    folder, first, second, stage
):
    kid, signer = (second, first) if stage == "staged" else (first, second)
    if stage != "staged":
        key_rotation.activate(second)
    if stage == "retired":
        key_rotation.retire(first)

    assert key_rotation.revoke(kid) == (kid, None)

    assert active(folder) == signer
    assert published(folder) == signers(folder) == {signer}
    assert stages() == {signer: "active"}


# --- Names, older installations, keys copied by hand --------------------------------


def test_six_characters_name_a_key_unless_two_begin_with_them(folder, first, second):
    assert key_rotation.activate(second[:6]) == second
    for last in "ab":
        (folder / "public" / f"-twins-{last}.pem").touch()

    with pytest.raises(KeyActionRefused, match="Several"):
        key_rotation.revoke("-twins-")
    assert key_rotation.revoke("-twins-a")[0] == "-twins-a"


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
    with pytest.raises(KeyFault, match="keys activate KID --now"):
        active(folder)

    key_rotation.activate(second, at_once=True)

    # The other may have signed until this moment.
    assert stages() == {first: "superseded", second: "active"}
    assert key_rotation.retire(first)[1] > key_store.clock() + timedelta(days=29)


def test_a_single_public_half_is_kept_as_long_as_it_may_be_needed(
    folder, first, second, clock
):
    (folder / "private" / f"{first}.pem").unlink()
    without_state(folder)
    assert stages() == {first: "retired", second: "active"}
    assert key_rotation.prune() == []  # which writes it down
    clock.passes(NEEDED)

    assert key_rotation.prune() == [first]
