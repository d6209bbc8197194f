"""A user's own data: all of it, of no one else, and never half."""

import time
import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from tests.factories import PASSWORD, UserFactory
from tests.refusals import assert_refused
from users.accounts import links
from users.accounts.models import EmailChange, Purpose, Registration
from users.events.log import record
from users.events.models import Event
from users.factors.models import Factor, RecoveryCode
from users.mail.models import Mail
from users.models import User

SECRET = b"S3"
VERIFIED = "email_verified"
URL = "/api/v1/users/me/export"
NAMES = {
    "username": "ada",
    "email": "Ada@example.org",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Enchantress",
    "avatar_url": "https://example.org/ada.png",
}
SESSION = {
    "id": str(uuid.uuid4()),
    "created_at": "2026-01-31T12:00:00.123456Z",
    "ip": "203.0.113.0/24",
    "device": "Firefox on Linux",
}
LOGIN = {
    "at": "2026-01-31T12:00:00.123456Z",
    "event": "authn_login_success",
    "outcome": "success",
    "actor": "user",
    "sid": SESSION["id"],
    "network": "203.0.113.0/24",
    "device": "Firefox on Linux",
    "request_id": "0" * 32,
    "data": {},
}


def stamp(moment):
    return moment and moment.isoformat().replace("+00:00", "Z")


def stored(auth_service, user, sessions=(), events=()):
    """What the Auth Service answers."""
    body = {"sessions": sessions, "next": None}
    auth_service.answer("GET", f"users/{user.pk}/stored_sessions", body)
    body = {"events": events, "next": None}
    auth_service.answer("GET", f"users/{user.pk}/events", body)


@pytest.fixture
def ada():
    user = UserFactory(
        **NAMES,
        locale="de",
        roles=["editor", "clerk"],
        email_verified_at=timezone.now(),
        last_login=timezone.now(),
    )
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    return user


@pytest.fixture
def export(bearer, ada, auth_service):
    """The answer to Ada; the Auth Service knows of one session."""
    stored(auth_service, ada, [SESSION], [LOGIN])
    return lambda **claims: bearer(sub=str(ada.pk), **claims).get(URL)


def fill(user, name):
    """Rows about the user."""
    address, now = user.email_canonical, timezone.now()
    reset = links.issue(Purpose.RESET, address=address, user=user)
    sent = Mail.objects.create(
        kind="reset", address=address, user=user, link=reset, sent_at=now,
        locale="de", context={"device": f"Firefox of {name}"},
    )  # fmt: skip
    change = EmailChange.objects.create(
        user=user, email=f"{name}@new.example", created_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    attempt = Registration.objects.create(
        email=user.email, username=f"{name}-attempt", locale="en"
    )
    LogEntry.objects.create(
        user=user, content_type=ContentType.objects.get_for_model(user),
        object_id=str(user.pk), object_repr=name, action_flag=CHANGE,
        change_message=f"reason of {name}",
    )  # fmt: skip
    Factor.objects.create(
        user=user, type="totp", name=f"phone of {name}", secret=SECRET, last_step=0
    )
    RecoveryCode.objects.create(user=user, digest=SECRET)
    record(VERIFIED, user.pk)
    reset.refresh_from_db()
    return reset, sent, change, attempt


def test_an_export_is_all_that_is_kept_value_by_value(ada, export, audits):
    """PRIV-03. Nothing of another user who did the same, and no token."""
    reset, sent, change, attempt = fill(ada, "ada")
    bob = UserFactory(email="bob@example.org", username="bob")
    fill(bob, "bob")
    response = export()
    assert response.status_code == 200
    assert response["Content-Disposition"] == (
        'attachment; filename="memo-export.json"'
    )
    found = response.json()
    assert found.pop("exported_at") <= stamp(timezone.now())
    assert found == {
        "user": {
            "id": str(ada.pk),
            **NAMES,
            "email_verified": True,
            "is_active": True,
            "is_deleted": False,
            "deleted_at": None,
            "created_at": stamp(ada.created_at),
            "updated_at": stamp(ada.updated_at),
            "roles": ["clerk", "editor"],
            "locale": "de",
            "email_verified_at": stamp(ada.email_verified_at),
            "last_login": stamp(ada.last_login),
            "is_staff": False,
            "is_superuser": False,
        },
        "permissions": ["users.view_user"],
        "email_changes": [
            {
                "email": "ada@new.example",
                "created_at": stamp(change.created_at),
                "expires_at": stamp(change.expires_at),
            }
        ],
        "registrations": [
            {
                "email": NAMES["email"],
                "username": "ada-attempt",
                **dict.fromkeys(("first_name", "last_name", "display_name"), ""),
                "avatar_url": "",
                "locale": "en",
                "created_at": stamp(attempt.created_at),
            }
        ],
        "links": [
            {
                "purpose": "reset",
                "address": "ada@example.org",
                "created_at": stamp(reset.created_at),
                "expires_at": stamp(reset.expires_at),
                "used_at": None,
            }
        ],
        "mails": [
            {
                "kind": "reset",
                "address": "ada@example.org",
                "locale": "de",
                "context": {"device": "Firefox of ada"},
                "created_at": stamp(sent.created_at),
                "sent_at": stamp(sent.sent_at),
                "failed_at": None,
            }
        ],
        "factors": [
            {
                **dict.fromkeys(("confirmed_at", "last_used_at", "suspect_at")),
                **dict.fromkeys(("transports", "backed_up")),
                **{"type": "totp", "name": "phone of ada"},
                "created_at": stamp(Factor.objects.get(user=ada).created_at),
            }
        ],
        "recovery_codes": [{"used_at": None}],
        "factor_resets": [],
        "admin_history": [
            {
                "action_time": stamp(
                    LogEntry.objects.get(object_id=ada.pk).action_time
                ),
                "object_repr": "ada",
                "change_message": "reason of ada",
            }
        ],
        "events": [
            {
                **dict.fromkeys(("sid", "network", "device")),
                "at": stamp(Event.objects.get(user_id=ada.pk, event=VERIFIED).at),
                "event": VERIFIED,
                "outcome": "success",
                "actor": "system",
            },
            {name: LOGIN[name] for name in LOGIN if name not in ("request_id", "data")},
        ],
        "sessions": [SESSION],
    }
    text = response.content.decode()
    for secret in ("bob", links.token_of(reset), str(reset.pk), ada.password, "S3"):
        assert secret not in text
    assert audits("event", "user_id")[-1] == ("user_exported", str(ada.pk))


def test_attempts_with_an_address_are_of_the_user_who_has_proved_it(ada, export):
    """Else a stranger who registered it first would read the owner's."""
    fill(ada, "ada")
    type(ada).objects.update(email_verified_at=None)
    assert export().json()["registrations"] == []


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("is_verified", [True, False])
def test_what_was_mailed_before_there_was_an_account_is_exported_too(
    post, token, bearer, auth_service, is_verified
):
    """The mail outlives the registration. Without proof of the mailbox it may be about
    another person."""
    post("", username="ada", email="Ada@example.org")
    body = {"token": token("register"), "password": PASSWORD}
    if is_verified:
        assert post("/verify_email", **body).status_code == 204
        user = User.objects.get()
    else:
        user = UserFactory(email="Ada@example.org")
    stored(auth_service, user)
    session = bearer(sub=str(user.pk))
    kinds = ["register"] * is_verified
    found = session.get(URL).json()
    assert [each["purpose"] for each in found["links"]] == kinds
    assert [each["kind"] for each in found["mails"]] == kinds
    Registration.objects.all().delete()
    assert [each["kind"] for each in session.get(URL).json()["mails"]] == kinds


def test_an_export_does_not_reveal_whether_another_address_has_an_account(
    post, bearer, ada, export, run_jobs
):
    """ACC-04. Only an address without an account gets a mail."""
    taken, free = UserFactory(email="bob@example.org").email, "unknown@example.org"
    for address in (taken, free):
        body = {"new_email": address, "current_password": PASSWORD}
        session = bearer(sub=str(ada.pk))
        assert post("/me/change_email", session, **body).status_code == 202
        run_jobs()
    assert Mail.objects.filter(address=free).exists()
    found = export().json()
    assert found["links"] == []
    notices = ["email_change_requested"] * 2
    assert [each["kind"] for each in found["mails"]] == notices
    User.objects.filter(pk=ada.pk).update(email=free, email_canonical=free)
    found = export().json()
    assert [each["address"] for each in found["links"]] == [free]
    assert [each["kind"] for each in found["mails"]] == [*notices, "change_email"]


@pytest.mark.parametrize("age", [400, None])
def test_an_old_login_exports_nothing(export, auth_service, age, audits):
    """PRIV-04. A refresh makes a stolen session no younger."""
    login = None if age is None else int(time.time()) - age
    response = export(auth_time=login)
    assert_refused(response, 401, "insufficient_user_authentication")
    assert 'max_age="300"' in response["WWW-Authenticate"]
    assert not auth_service.calls
    assert audits() == []


@pytest.mark.parametrize("part", ["stored_sessions", "events"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, {"code": "dependency_unavailable"}),
        (404, {"code": "not_found"}),
        (200, {"other": []}),
        (200, "text"),
    ],
)
def test_without_the_auth_service_there_is_no_half(
    ada, export, auth_service, part, status, body, audits
):
    """PRIV-03. Nor is an export recorded that was none."""
    auth_service.answer("GET", f"users/{ada.pk}/{part}", body, status=status)
    response = export()
    assert_refused(response, 503, "dependency_unavailable")
    assert NAMES["email"] not in response.content.decode()
    assert audits() == []
