"""The rotation of signing keys: what each action does, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.keys.signing_keys import KeyFault
from tests.keys.conftest import (
    BITS,
    NEEDED,
    READY,
    active,
    everything,
    make_unsupported,
    published,
    signers,
    stage,
    stages,
)
from tokens import key_rotation


@pytest.fixture
def events(monkeypatch):
    """Events of the audit log."""
    found = []
    monkeypatch.setattr(
        "tokens.events.audit", lambda event, **fields: found.append((event, fields))
    )
    return found


def assert_time(text, seconds):
    """The text has the time that is so many seconds from now, give or take a few."""
    now = datetime.now(UTC)
    near = [now + timedelta(seconds=seconds + each) for each in range(-9, 3)]
    assert any(f"{moment:%Y-%m-%d %H:%M:%S} UTC" in text for moment in near), text


# --- Stage and activate -------------------------------------------------------------


def test_a_staged_key_is_published_and_signs_once_it_is_activated(
    folder, first, clock, events
):
    """TOK-18."""
    text = key_rotation.stage(BITS)

    kid = text.split()[0]
    assert_time(text, READY)
    assert published(folder) == {first, kid}
    assert stages() == {first: "active", kid: "staged"}
    assert events == [("key_staged", {"kid": kid, "bits": BITS, "by": "operator"})]

    clock.passes(READY + 1)
    key_rotation.activate(kid[:6])

    assert active(folder) == kid
    assert published(folder) == {first, kid}
    assert stages() == {first: "superseded", kid: "active"}
    event = {"kid": kid, "predecessor": first, "by": "operator"}
    assert events[-1] == ("key_activated", event)
    assert clock.slept == 0


@pytest.mark.parametrize("early", [READY - 15, 0])
def test_a_key_that_others_may_not_know_is_not_activated(folder, first, clock, early):
    kid = stage()
    clock.passes(early)
    before = everything(folder)

    with pytest.raises(KeyFault, match="may not know") as caught:
        key_rotation.activate(kid)

    assert_time(str(caught.value), READY - early)
    assert everything(folder) == before
    key_rotation.activate(kid, now=True)
    assert active(folder) == kid
    # Unless readers of the folder have seen it, each of which looks every second.
    assert (1 < clock.slept <= 2) == (not early)


@pytest.mark.parametrize("half", ["public", "private"])
@pytest.mark.parametrize("how", ["missing", "broken", "unsupported"])
def test_half_a_key_is_not_activated(folder, first, second, half, how):
    path = folder / half / f"{second}.pem"
    path.unlink()
    if how == "broken":
        path.write_text("x")
    elif how == "unsupported":
        make_unsupported(path)

    with pytest.raises(KeyFault):
        key_rotation.activate(second, now=True)

    assert active(folder) == first


# --- Retire and prune ---------------------------------------------------------------


def test_a_retired_key_verifies_until_its_last_token_has_expired(
    folder, first, second, clock, events
):
    key_rotation.activate(second)
    clock.passes(3600)

    assert_time(key_rotation.retire(first), NEEDED - 3600)

    assert signers(folder) == {second}
    assert published(folder) == {first, second}
    assert stages()[first] == "retired"
    assert events[-1][0] == "key_retired"
    clock.passes(3600)
    before = everything(folder)
    assert_time(key_rotation.retire(first), NEEDED - 7200)  # may be repeated
    assert everything(folder) == before
    with pytest.raises(KeyFault, match=f"private/{first}"):
        key_rotation.activate(first)
    assert active(folder) == second


def test_pruning_removes_a_key_when_it_is_due_and_not_before(
    folder, first, second, clock, events
):
    key_rotation.activate(second)
    key_rotation.retire(first)
    third = stage()
    clock.passes(NEEDED - 60)
    assert key_rotation.prune() == "Removed 0 keys."
    assert published(folder) == {first, second, third}

    clock.passes(60)

    assert key_rotation.prune() == "Removed 1 keys."
    assert events[-1] == ("key_pruned", {"kid": first, "by": "operator"})
    clock.passes(10 * NEEDED)
    assert key_rotation.prune() == "Removed 0 keys."  # never a key that may sign
    assert stages() == {second: "active", third: "staged"}


@pytest.mark.parametrize(("access", "longest"), [(900, 900), (300, 600)])
def test_the_longest_lifetime_counts(first, second, settings, access, longest):
    """Ten minutes at least: an enrol token lives as long."""
    settings.REFRESH_TOKEN_LIFETIME, settings.ACCESS_TOKEN_LIFETIME = 60, access
    key_rotation.activate(second)

    assert_time(key_rotation.retire(first), longest + 10)


# --- Revoke -------------------------------------------------------------------------


def test_a_revoked_key_is_gone_and_the_oldest_staged_one_signs(
    folder, first, second, clock, events
):
    third = stage()

    key_rotation.revoke(first)

    assert stages() == {second: "active", third: "staged"}
    assert published(folder) == signers(folder) == {second, third}
    event = {"kid": first, "successor": second, "by": "operator"}
    assert events[-1] == ("key_revoked", event)
    assert clock.slept == key_rotation.FOLLOWED


def test_a_staged_key_that_is_damaged_does_not_take_its_place(folder, first, second):
    make_unsupported(folder / "private" / f"{second}.pem")

    key_rotation.revoke(first)

    assert first not in published(folder) | signers(folder)
    assert active(folder) not in (first, second)


@pytest.mark.parametrize("removed", ["", "its public half", "half of the staged one"])
def test_if_none_is_staged_a_new_one_signs(folder, first, clock, removed):
    """Also if the public half was removed by hand, which is the quickest way."""
    halves = [first] if removed == "its public half" else []
    if removed == "half of the staged one":
        halves = [stage()]
    for kid in halves:
        (folder / "public" / f"{kid}.pem").unlink()

    key_rotation.revoke(first)

    assert active(folder) in published(folder) - {first, *halves}
    assert first not in published(folder) | signers(folder)
    assert 1 < clock.slept <= 2.5  # seconds: it is seen before it is used
