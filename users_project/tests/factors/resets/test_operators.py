"""Who may ask for it in the admin."""

import pytest
from django.contrib.admin.models import LogEntry

from shared.api.exceptions import LinkInvalid
from tests.admin_pages import browser_of, said, url
from tests.factories import UserFactory
from tests.factors.resets.rows import (
    ALL,
    REASON,
    WAITING,
    events,
    kinds,
    make_due,
    token_of,
)
from tests.factors.rows import tables_of
from users import tasks
from users.accounts import links
from users.accounts.models import Purpose
from users.factors.models import FactorReset
from users.mail.models import Kind
from users.models import Role, User


@pytest.fixture
def page(ada):
    return url("users_user_factors", ada.pk)


def test_an_operator_asks_for_it_with_a_reason_and_cancels_it(admin, ada, page, root):
    text = admin.get(page).content.decode()
    assert "phone" in text
    assert "Reset factors" in text
    assert said(admin.post(page, {"reason": REASON}))
    waiting = FactorReset.objects.get()
    assert (waiting.operator, waiting.reason) == (str(root.pk), REASON)
    assert kinds(ada) == ["factors_reset_requested"]
    text = admin.get(page).content.decode()
    assert REASON in text
    assert "Reset factors" not in text
    admin.post(page, {"cancel": "yes"})
    assert tables_of(ada) == ALL
    messages = [each.get_change_message() for each in LogEntry.objects.order_by("pk")]
    assert len(messages) == 2
    assert REASON in messages[0]
    *_, last = said(admin.post(page, {"cancel": "yes"}))
    assert last == "No reset waits any more: nothing was done."


@pytest.mark.parametrize(
    ("reason", "fault"), [("", "required"), (" ", "required"), ("x" * 501, "500")]
)
def test_without_a_reason_nothing_is_done(admin, ada, page, reason, fault):
    [text] = said(admin.post(page, {"reason": reason}))
    assert text.startswith("Reason: ")
    assert fault in text
    assert tables_of(ada) == ALL


@pytest.mark.parametrize("body", [{"reason": REASON}, {"cancel": "yes"}])
def test_an_operator_resets_no_one_with_more_rights(clerk, asked, page, body):
    User.objects.filter(pk=asked.pk).update(is_staff=True)
    FactorReset.objects.update(operator="root")
    assert clerk.post(page, body).status_code == 403
    assert FactorReset.objects.get().operator == "root"
    assert "not yours" in clerk.get(page).content.decode()


def more_rights(user, operator):
    User.objects.filter(pk=user.pk).update(is_staff=True)


def another_role(user, operator):
    user.groups.add(Role.objects.create(name="finance"))


def no_right(user, operator):
    operator.user_permissions.clear()


def no_staff(user, operator):
    User.objects.filter(pk=operator.pk).update(is_staff=False)


def absent(user, operator):
    operator.deactivate()


@pytest.mark.parametrize(
    "meanwhile", [more_rights, another_role, no_right, no_staff, absent]
)
def test_an_operator_who_may_not_change_the_user_any_more_resets_nothing(
    ada, page, pushes, meanwhile
):
    """OPS-11: as in a job of the list. The mailed link cancels no later reset."""
    rights = ["view_user", "change_user"]
    operator = UserFactory(is_staff=True, permissions=rights)
    browser_of(operator).post(page, {"reason": REASON})
    assert tables_of(ada) == WAITING
    meanwhile(ada, operator)
    make_due()
    tasks.reset_factors(timestamp=0)
    assert tables_of(ada) == ALL
    assert kinds(ada) == ["factors_reset_requested"]
    assert events(ada) == ["factors_reset_requested", "factors_reset_cancelled"]
    with pytest.raises(LinkInvalid):
        links.find(token_of(ada), Purpose.KEEP_FACTORS)


def test_staff_without_the_right_do_not_see_it(asked, page):
    assert browser_of(UserFactory(is_staff=True)).get(page).status_code == 403
    assert Kind.FACTORS_RESET not in kinds(asked)
