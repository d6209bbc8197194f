"""Who has the password, and no factor where one is needed, proves more to add one."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from shared.api.exceptions import LinkInvalid
from tests.factories import PASSWORD, UserFactory
from tests.guesses import device_of
from tests.refusals import assert_refused
from users.accounts import links
from users.accounts.models import Link, Purpose
from users.factors import enrolment
from users.mail.message import url_of
from users.mail.models import Mail
from users.models import User


@pytest.fixture
def ada():
    return UserFactory(email="ada@example.org", email_verified_at=timezone.now())


@pytest.fixture
def enrol(auth, ada):
    """The answer to a login of Ada's that may add a factor, or not."""

    def ask(**proof):
        body = {"epoch": ada.session_epoch, "device": "", **proof}
        return auth.post(f"/api/v1/users/{ada.pk}/factors/enrol", body)

    return ask


def proved(answer):
    assert answer.status_code == 200, answer.json()
    return answer.json()["proved"]


def test_the_password_alone_has_a_link_mailed_whose_token_proves_once(ada, enrol):
    assert not proved(enrol())
    mail = Mail.objects.get()
    assert (mail.kind, mail.address) == ("enrol", ada.email)
    token = links.token_of(mail.link)
    assert url_of(mail.link).endswith(f"/account/factors/enrol?token={token}")
    assert proved(enrol(token=token))
    assert_refused(enrol(token=token), 400, "link_invalid")


def test_a_device_of_the_account_proves_and_mails_nothing(ada, enrol):
    assert proved(enrol(device=device_of(ada)))
    assert not Mail.objects.exists()


@pytest.mark.parametrize("what", ["another user", "an older password", "garbage"])
def test_another_device_is_none(ada, enrol, what):
    owner = UserFactory() if what == "another user" else ada
    device = device_of(owner)[:: -1 if what == "garbage" else 1]
    if what == "an older password":
        User.objects.update(password_epoch=ada.session_epoch)
    assert not proved(enrol(device=device))


def test_a_link_of_another_user_or_purpose_is_refused_and_stays_good(ada, enrol):
    other = UserFactory()
    for purpose, owner in ((Purpose.ENROL, other), (Purpose.VERIFY, ada)):
        link = links.issue(purpose, address=owner.email_canonical, user=owner)
        assert_refused(enrol(token=links.token_of(link)), 400, "link_invalid")
    assert not Link.objects.exclude(used_at=None).exists()


@pytest.mark.parametrize("change", ["end_sessions", "deactivate", "soft_delete"])
def test_what_happened_meanwhile_starts_the_login_over(ada, enrol, pushes, change):
    token, epoch, device = enrolment.code_for(ada), ada.session_epoch, device_of(ada)
    getattr(ada, change)()
    for proof in ({"token": token}, {"device": device}):
        assert_refused(enrol(epoch=epoch, **proof), 401, "token_invalid")
    with pytest.raises(LinkInvalid):
        enrolment.use(ada, token)  # void, too


def test_no_mail_goes_to_an_address_that_was_never_proved(ada, enrol, settings):
    User.objects.update(email_verified_at=None)
    assert not proved(enrol())
    User.objects.update(email_verified_at=timezone.now())
    settings.MAIL_ENABLED = False
    assert not proved(enrol())
    assert not Link.objects.exists()


def test_no_mail_goes_to_an_address_that_an_earlier_one_can_take_back(ada, enrol):
    """A leaked password may have changed it."""
    old = "old@example.org"
    undoing = links.issue(Purpose.UNDO_EMAIL, address=old, user=ada)
    assert not proved(enrol())
    assert not Mail.objects.exists()
    Link.objects.filter(pk=undoing.pk).update(expires_at=timezone.now())
    assert not proved(enrol())
    assert Mail.objects.get().address == ada.email


def test_eleven_mails_do_not_follow_each_other(enrol):
    for _ in range(12):
        assert not proved(enrol())
    assert Mail.objects.count() == 10


@pytest.mark.parametrize(
    ("mode", "of_all", "printed"),
    [
        ("required", "optional", True),
        ("optional", "required", True),
        ("optional", "optional", False),
        ("off", "required", False),
    ],
)
def test_createsuperuser_prints_a_code_where_the_admin_needs_a_factor(
    monkeypatch, settings, mode, of_all, printed
):
    settings.ADMIN_SECOND_FACTOR, settings.SECOND_FACTOR = mode, of_all
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    out, names = io.StringIO(), {"email": "root@example.org", "username": "roota"}
    call_command("createsuperuser", interactive=False, stdout=out, **names)
    root = User.objects.get(username="roota")
    if printed:
        enrolment.use(root, out.getvalue().split()[-1])
    else:
        assert "code" not in out.getvalue()
    assert not Mail.objects.exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("given", ["as an option", "by the environment", "typed"])
def test_the_code_is_for_the_superuser_that_this_command_has_made(
    monkeypatch, settings, given
):
    """The clock of the host that made another one may be ahead."""
    settings.ADMIN_SECOND_FACTOR = "required"
    UserFactory(is_staff=True, is_superuser=True)
    User.objects.update(created_at=timezone.now() + timedelta(minutes=1))
    email, out = "Root@example.org", io.StringIO()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", email if "by" in given else "a@b.org")
    monkeypatch.setattr("builtins.input", lambda message: email)
    monkeypatch.setattr("getpass.getpass", lambda *prompt: PASSWORD)
    options = {"email": email} if "option" in given else {}
    options |= {"interactive": given == "typed", "stdin": Terminal(), "stdout": out}
    call_command("createsuperuser", username="root", **options)
    enrolment.use(User.objects.get(username="root"), out.getvalue().split()[-1])
