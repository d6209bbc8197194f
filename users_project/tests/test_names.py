"""Which names are taken, of users and of roles, and whom a command finds by one."""

import uuid

import pytest
from django.core.management import CommandError, call_command

from tests.admin_pages import ADD, LIST, NEW_USER, change_url, fields, url
from tests.factories import PASSWORD, UserFactory
from tests.refusals import assert_invalid
from users.management.base import find_user
from users.models import Role, User

ADA = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
ID = "5f0c8a53-8a5e-4f0e-9d43-0d8f9bd1a1c4"
# What reads as an id: also to Python's `UUID`, which takes underscores and `0x`.
LIKE_AN_ID = [
    ID,
    ID.upper(),
    ID.replace("-", ""),
    ID.replace("-", "."),
    "5f0c-8a53-8a5e-4f0e-9d43-0d8f-9bd1-a1c4",
    "5f0c8a53_8a5e_4f0e_9d43_0d8f9bd1a1c4",
    "0" * 32,
]


@pytest.mark.parametrize("username", LIKE_AN_ID)
def test_a_username_that_reads_as_an_id_is_refused(api_client, admin, username):
    response = api_client.post("/api/v1/users", ADA | {"username": username})
    assert_invalid(response, "username", "invalid")
    response = admin.post(ADD, NEW_USER | {"username": username})
    assert "must not look like an id" in response.content.decode()
    assert User.objects.count() == 1


RESERVED = """admin ADMIN admin1 _admin_ admin.2026 1-admin-1 a.d.m.i.n root root99
support support_ no-reply noreply no_reply.1 memo memo-support
Memo_Product memo.service.24 webmaster postmaster security-help system0
helpdesk administrator"""


@pytest.mark.parametrize("username", RESERVED.split())
def test_a_reserved_name_is_refused_at_registration(api_client, username):
    response = api_client.post("/api/v1/users", ADA | {"username": username})
    assert_invalid(response, "username", "reserved")


@pytest.mark.parametrize(
    "username", ["rooted", "memories", "ada.admin", "12345", "abcdef-12345", "f" * 31]
)
def test_a_name_with_a_reserved_word_in_it_is_free(api_client, username):
    response = api_client.post("/api/v1/users", ADA | {"username": username})
    assert response.status_code == 201


def test_which_names_are_reserved_is_a_setting(api_client, admin, settings):
    settings.RESERVED_USERNAMES = ["Acme-Corp", "007"]
    for username in ("acme_corp1", "ACME.corp", "007"):
        response = api_client.post("/api/v1/users", ADA | {"username": username})
        assert_invalid(response, "username", "reserved")
    response = api_client.post("/api/v1/users", ADA | {"username": "support"})
    assert response.status_code == 201
    assert admin.post(ADD, NEW_USER | {"username": "acme-corp"}).status_code == 302


REFUSED = {
    "C1": "a\u009b31mred",
    "next line": "a\u0085b",
    "C0": "bell\a",
    "bidi override": "ad\u202ea",
    "bidi isolate": "a\u2066da\u2069",
    "bidi mark": "ada\u200f",
    "zero-width space": "a\u200bda",
    "zero-width no-break space": "\ufeffada",
    "joiner between Latin letters": "a\u200dda",
    "non-joiner at the end": "\u0639\u0644\u06cc\u200c",
    "two non-joiners": "\u0645\u06cc\u200c\u200c\u062e",
    "joiner between Arabic letters": "\u0645\u06cc\u200d\u062e",
    "soft hyphen": "a\u00adda",
    "tag": "ada\U000e0041",
    "private use": "ada\uf8ff",
    "unassigned": "ada\u0378",
    "noncharacter": "ada\uffff",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "Hangul filler": "\u3164",
    "grapheme joiner": "a\u034fda",
    "blank Braille": "\u2800",
    "selectors alone": "\ufe0f\U000e0100",
    "selector after a space": "a \ufe0f",
    "selector after a Latin letter": "a\ufe0fda",
    "selector after a Cyrillic letter": "\u0430\ufe00",
    "Mongolian selector after a Latin letter": "ada\u180b",
    "two selectors": "愛\U000e0100\U000e0101",
}


@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_no_name_has_characters_that_are_not_seen(api_client, admin, root, name):
    """Of a person, by the API and in the admin, and of a role."""
    for field in ("first_name", "last_name", "display_name"):
        response = api_client.post("/api/v1/users", ADA | {field: name})
        assert_invalid(response, field, "invalid")
    response = api_client.post("/api/v1/users", ADA | {"username": f"ada{name}"})
    assert_invalid(response, "username", "invalid")
    text = "Control and invisible characters are not allowed."
    page = admin.post(change_url(root), fields(root, display_name=name))
    assert text in page.content.decode()
    page = admin.post(url("users_role_add"), {"name": name})
    assert text in page.content.decode() or "\0" in name
    assert (User.objects.count(), Role.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    "name",
    [
        "Søren O'Hara-Łukasz",
        "愛 子",
        "مُحَمَّد",
        "\u0645\u06cc\u200c\u062e",  # Persian
        "ශ්\u200dරී",  # Sinhala
        "ക്\u200cഷ",  # Malayalam
        "Ada \u2764\ufe0f",
        "Ⓜ\ufe0f \u2139\ufe0f 1\ufe0f\u20e3",
        "葛\U000e0100城",
        "ᠨ\u180bᠠ",  # Mongolian
    ],
)
def test_names_of_all_scripts_are_kept_as_they_are(api_client, admin, name):
    response = api_client.post("/api/v1/users", ADA | {"display_name": name})
    assert response.json()["display_name"] == name
    assert admin.post(url("users_role_add"), {"name": name}).status_code == 302


# Whom a name finds


@pytest.fixture
def twins():
    """The owner of an id, and an old user whose username it is."""
    owner = UserFactory(id=uuid.UUID(ID))
    return owner, UserFactory(username=ID.replace("-", ""))


@pytest.mark.parametrize(
    "command", ["deactivateuser", "changepassword", "liftlock", "listlocks"]
)
def test_an_ambiguous_name_is_an_error(twins, command):
    with pytest.raises(CommandError, match="Use an e-mail address"):
        call_command(command, ID.replace("-", "").upper())
    for user in twins:
        assert User.objects.get(pk=user.pk).updated_at == user.updated_at


def test_an_exact_name_comes_first(twins):
    owner, other = twins
    assert find_user(other.email) == other
    assert find_user(ID) == owner  # the name has no hyphens
    owner.delete()
    assert find_user(ID.replace("-", "")) == other
    for text in ("0x" + "0" * 30, f"{{{ID}}}", f"urn:uuid:{ID}", str(uuid.uuid4())):
        assert find_user(text) is None


def test_search_shows_both(admin, twins):
    for text, found in ((ID.replace("-", ""), {*twins}), (ID, {twins[0]})):
        page = admin.get(f"{LIST}?q={text}")
        assert {*page.context["cl"].result_list} == found
