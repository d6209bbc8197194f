"""The column of the admin's list that says who can log in."""

from tests.admin_pages import LIST
from tests.factories import UserFactory

GONE = "2026-01-31T12:00:00Z"


def test_the_list_says_who_can_log_in(admin, limited, guess, pushes):
    """By one question to Redis for the whole page."""
    limited(LOGIN_LIMIT_ACCOUNT="2/day")
    rows = {
        "active": UserFactory(),
        "inactive": UserFactory(is_active=False),
        "deleted": UserFactory(is_active=False, deleted_at=GONE),
        "erased": UserFactory(is_active=False, deleted_at=GONE, erased_at=GONE),
        "locked": UserFactory(email="locked@example.org"),
    }
    for _ in range(2):
        guess(login="locked@example.org")
    page = admin.get(LIST).content.decode()
    for status, user in rows.items():
        row = page.partition(user.username)[2].partition("</tr>")[0]
        assert f'<td class="field-status">{status}</td>' in row


def test_the_list_is_there_without_redis(admin, monkeypatch):
    def fail(users):
        raise OSError

    monkeypatch.setattr("users.admin.columns.locked", fail)
    page = admin.get(LIST).content.decode()
    assert "whether users are locked is not known" in page
    assert '<td class="field-status">active</td>' in page
