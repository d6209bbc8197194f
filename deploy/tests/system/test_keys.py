"""The ceremony of signing keys on the running stack: nothing is restarted, nobody is
logged out but by an emergency, and that takes hold within two seconds."""

import time

import pytest

from deploy.tests.signing_keys import SEEN, key_set, kid_of, listed, published, stage
from deploy.tests.stack import System, eventually
from deploy.tests.users import Person, code_of


def pids(system: System) -> dict[str, int]:
    processes = system.status()["processes"]
    return {name: process["pid"] for name, process in processes.items()}


def works(person: Person) -> bool:
    return person.me().ok and person.verify().ok


def test_keys_are_rotated_without_a_restart_and_nobody_notices(
    system: System, person: Person, one_key: str
) -> None:
    before = pids(system)
    tag = key_set(system).headers["ETag"]
    old = person.access

    new = stage(system)
    eventually(lambda: published(system) == {one_key, new}, SEEN, "the staged key")
    assert key_set(system, **{"If-None-Match": tag}).status_code == 200
    assert person.log_in().ok
    assert kid_of(person.access) == one_key

    system.run("keys", "activate", new, "--now")
    assert person.log_in().ok
    assert kid_of(person.access) == kid_of(person.cookie) == new
    assert works(person)
    assert person.me(old).ok
    assert person.verify(old).ok

    system.run("keys", "retire", one_key)
    time.sleep(SEEN)
    assert published(system) == {one_key, new}
    assert person.me(old).ok
    assert person.verify(old).ok

    assert pids(system) == before
    system.run("up")
    assert pids(system) == before


def test_a_refresh_token_of_a_retired_key_goes_on(
    system: System, person: Person, one_key: str
) -> None:
    """TOK-18."""
    new = stage(system)
    system.run("keys", "activate", new, "--now")
    system.run("keys", "retire", one_key)
    time.sleep(SEEN)
    assert kid_of(person.cookie) == one_key

    assert person.refresh().ok

    assert kid_of(person.access) == kid_of(person.cookie) == new
    assert works(person)


def test_a_key_is_not_used_before_others_may_know_it(
    system: System, one_key: str
) -> None:
    new = stage(system)

    with pytest.raises(AssertionError, match="may not know"):
        system.run("keys", "activate", new)

    assert listed(system) == {one_key: "active", new: "staged"}


def test_what_a_revoked_key_signed_is_refused_within_two_seconds(
    system: System, person: Person, one_key: str
) -> None:
    before = pids(system)
    assert works(person)
    bystander = Person(system, person.name)

    system.run("keys", "revoke", one_key)
    revoked = time.monotonic()

    # Whoever comes now is let in, and stays.
    assert bystander.log_in().ok
    assert kid_of(bystander.access) != one_key
    assert works(bystander)
    left = revoked + SEEN - time.monotonic()
    eventually(lambda: refused(person), left, "refusal of what it signed")
    until = time.monotonic() + SEEN
    while time.monotonic() < until:
        assert refused(person)
        assert works(bystander)
    assert code_of(person.refresh()) == "token_invalid"
    assert published(system) == {kid_of(bystander.access)}
    assert person.log_in().ok
    assert works(person)
    assert pids(system) == before


def refused(person: Person) -> bool:
    """By every worker, at both doors."""
    answers = [ask() for _ in range(4) for ask in (person.me, person.verify)]
    assert {a.status_code for a in answers} <= {200, 401}, [a.text for a in answers]
    return all(not a.ok and code_of(a) == "token_invalid" for a in answers)


def test_who_has_the_key_set_is_told_so_through_the_gateway(system: System) -> None:
    first = key_set(system)
    assert first.headers["Cache-Control"] == "public, max-age=30"

    again = key_set(system, **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "public, max-age=30"
