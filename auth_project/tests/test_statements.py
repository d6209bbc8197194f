"""The row's statements against a model of ten lines, over many random histories.

The model is what a session is meant to be; the statements are SQL. Each history runs
on both, and after every step both must have answered and become the same.
"""

import random
import uuid
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import age
from tests.factories import SessionFactory
from tokens.models import Session, SessionEpoch

pytestmark = pytest.mark.django_db

LEEWAY = 10
STEPS = 14
HISTORIES = 60


@dataclass
class Model:
    """One session; times are its age in seconds, tokens are numbered."""

    now: int = 0
    epoch: int = 0
    token: int = 0
    previous: int | None = None
    rotated_at: int | None = None
    revoked: str | None = None
    expires_at: int = 1000
    tokens: list[int] = field(default_factory=lambda: [0])

    def rotate(self, token, epoch):
        in_leeway = self.rotated_at is not None and self.now - self.rotated_at < LEEWAY
        alive = self.revoked is None and self.now < self.expires_at
        if token != self.token or in_leeway or not alive or self.epoch < epoch:
            return False
        self.previous, self.token = self.token, len(self.tokens)
        self.tokens.append(self.token)
        self.rotated_at, self.expires_at = self.now, min(self.now + 400, 1000)
        return True

    def revoke(self, reason):
        self.revoked = self.revoked or reason
        return True

    def revoke_below(self, epoch, reason, keep):
        if self.revoked is not None or self.epoch >= epoch:
            return False
        if keep:
            self.epoch = epoch
            return False
        self.revoked = reason
        return True


class Row:
    """The same acts on a row of PostgreSQL."""

    def __init__(self):
        end = timezone.now() + timedelta(seconds=1000)
        self.session = SessionFactory(expires_at=end)
        self.tokens = [self.session.jti]

    def rotate(self, token, epoch):
        presented = self.tokens[token]
        found = Session.objects.rotate(self.session.id, presented, SessionEpoch(epoch))
        if found is not None:
            self.tokens.append(found.jti)
        return found is not None

    def revoke(self, reason):
        return Session.objects.revoke(self.session.id, reason) is not None

    def revoke_below(self, epoch, reason, keep):
        kept = (self.session.id, 0) if keep else ()
        epochs = {self.session.user_id: epoch}
        ended = Session.objects.revoke_below(epochs, reason, *kept)
        return ended != []


def assert_same(model, row, history):
    found = Session.objects.get(id=row.session.id)
    assert row.tokens.index(found.jti) == model.token, history
    previous = found.previous_jti and row.tokens.index(found.previous_jti)
    assert previous == model.previous, history
    assert (found.rotated_at is None) == (model.rotated_at is None), history
    assert found.user_epoch == model.epoch, history
    assert (found.revoked_reason or None) == model.revoked, history
    assert (found.revoked_at is None) == (model.revoked is None), history


def random_act(chance, model):
    """An act and its arguments; mostly what may succeed, tokens old and new."""
    name = chance.choices(
        ["rotate", "wait", "revoke", "revoke_below"], weights=[10, 6, 1, 2]
    )[0]
    if name == "rotate":
        recent = model.tokens[-3:]
        token = chance.choices(recent, weights=range(1, len(recent) + 1))[0]
        return name, (token, chance.choice([0, 0, 0, model.epoch, 1, 2]))
    if name == "wait":
        return name, (chance.choice([4, 12, 300]),)
    if name == "revoke":
        return name, (chance.choice(["logout", "reuse"]),)
    return name, (chance.choice([0, 1, 2]), "password", chance.random() < 0.7)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_row_and_its_model_never_differ(seed, settings):
    settings.REFRESH_REUSE_LEEWAY = LEEWAY
    settings.REFRESH_TOKEN_LIFETIME = 400
    chance = random.Random(seed)
    model, row, history = Model(), Row(), []
    for _ in range(STEPS):
        name, arguments = random_act(chance, model)
        history.append(f"{name}{arguments}")
        if name == "wait":
            model.now += arguments[0]
            age(row.session, arguments[0])
        else:
            wanted = getattr(model, name)(*arguments)
            assert getattr(row, name)(*arguments) == wanted, history
        assert_same(model, row, history)
    assert Session.objects.count() == 1


def test_the_histories_reach_what_they_are_meant_to(settings):
    """Else the test above would prove little."""
    seen = set()
    for seed in range(HISTORIES):
        chance, model = random.Random(seed), Model()
        for _ in range(STEPS):
            name, arguments = random_act(chance, model)
            if name == "wait":
                model.now += arguments[0]
                continue
            worked = getattr(model, name)(*arguments)
            seen.add((name, worked, model.revoked is None, len(model.tokens) > 2))
            seen.add(("expired", model.now >= model.expires_at))
            seen.add(("kept", name == "revoke_below" and model.epoch > 0))

    assert {("expired", True), ("kept", True), ("rotate", True, True, True)} <= seen
    assert {("rotate", False, False, True), ("revoke_below", True, False, True)} <= seen


# --- What single statements say -----------------------------------------------------


def test_an_unknown_session_is_neither_rotated_nor_revoked():
    assert Session.objects.rotate(uuid.uuid4(), uuid.uuid4(), SessionEpoch(0)) is None
    assert Session.objects.revoke(uuid.uuid4(), "logout") is None
    assert Session.objects.revoke_below({uuid.uuid4(): 9}, "x") == []


def test_the_first_revocations_time_and_reason_stay():
    session = SessionFactory(revoked=True)

    again = Session.objects.revoke(session.id, "reuse")

    assert (again.revoked_at, again.revoked_reason) == (session.revoked_at, "logout")


def test_the_session_that_is_kept_is_not_among_the_ended():
    user_id = uuid.uuid4()
    kept, *ended = [SessionFactory(user_id=user_id) for _ in range(3)]

    found = Session.objects.revoke_below({user_id: 1}, "password", kept.id, 0)

    assert {each.id for each in found} == {each.id for each in ended}
    assert {each.revoked_reason for each in found} == {"password"}
