"""The admin's list: search, filters, and addresses that no user would click on."""

import logging
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from shared.tests.fuzzing import fuzz
from shared.tests.query_plans import reading
from tests.admin_pages import ADD, LIST, change_url, fields, url
from tests.factories import UserFactory
from users.models import Role, User

ROLES = "/admin/users/role/"


def found(browser, **query):
    page = browser.get(LIST, query)
    assert page.status_code == 200, page.content
    return [*page.context["cl"].result_list]


# Search


@pytest.mark.parametrize(
    "term",
    [
        *("ada.love", "ADA.LOVE", "lovelace@his", "story.or", '"of Lovelace"'),
        *("countess", "untes", "roß élEN", "GROß", "ng-ad", "g-a", "ki ada"),
        *("李明", "李", "  ada.lovelace@history.org ", "id", "ID without hyphens"),
    ],
)
def test_search_goes_by_any_part_of_any_name(admin, term):
    ada = UserFactory(
        email="Ada.Lovelace@history.org",
        username="King-Ada",
        first_name="Countess of Lovelace",
        last_name="Groß Kélen",
        display_name="李明",
    )
    UserFactory(email="b@elsewhere.net", username="bob", last_name="Babbage")
    ids = {"id": ada.pk, "ID without hyphens": ada.pk.hex.upper()}
    assert found(admin, q=ids.get(term, term)) == [ada]


@pytest.mark.parametrize("term", ["da", "%", "a_a", "ada%org", "\\", str(uuid.uuid4())])
def test_search_finds_no_more_than_that(admin, term):
    """One or two letters are the beginning of a name; signs of LIKE are but letters."""
    UserFactory(email="ada@example.org", username="ada", first_name="Ada")
    assert found(admin, q=term) == []


@pytest.mark.parametrize("term", ["ada", "ADA ", "ada@example.org"])
def test_who_is_called_exactly_so_comes_first(admin, term):
    ada = UserFactory(email="ada@example.org", username="ada", roles=["a", "b"])
    newer = UserFactory(email="not.ada@example.org", username="adas", roles=["a"])
    assert found(admin, q=term) == [ada, newer]
    role = Role.objects.get(name="a")
    assert found(admin, q=term, groups__id__exact=role.pk) == [ada, newer]
    assert found(admin, q="exam")[0] != ada


def test_search_and_its_count_read_an_index_and_no_table(admin):
    UserFactory()
    User.objects.bulk_create(
        User(
            email=f"e{number}@example.org",
            username=f"nr{number}",
            first_name=f"Anna{number}",
            last_name="Lee",
        )
        for number in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    for term in ("1999", "E1999@EX", "nna19", "anna1999 lee", "nr", "19"):
        with reading() as read:
            admin.get(LIST, {"q": term})
        assert "user_search" in {name for _, name, _ in read.scans}, term
        assert "users_user" not in read.whole_tables, term


# Order and filters


def test_the_list_goes_by_the_last_login(admin, ada, root):
    column = 7
    page = admin.get(LIST, {"o": f"-{column}"}).context["cl"]
    assert page.list_display[column] == "last_seen"
    assert [*page.result_list] == [root, ada]


def test_the_list_is_filtered_by_dates(admin):
    new, old = UserFactory(), UserFactory(deleted_at=timezone.now())
    User.objects.exclude(pk=new.pk).update(created_at="2001-01-01T00Z")
    date = (timezone.now() - timedelta(days=7)).date()
    for expected, query in [
        ([new], {"created_at__gte": str(date)}),
        ([new], {"created_at__gte": f"{date}T00:00:00Z"}),
        ([old], {"created_at__lt": str(date), "deleted_at__isnull": "False"}),
        ([old], {"deleted_at__gte": str(date)}),
        ([], {"deleted_at__lt": str(date)}),
    ]:
        assert found(admin, **query) == expected, query
    page = admin.get(LIST).context["cl"]
    filters = {each.title: each for each in page.filter_specs}
    assert "deleted at" in filters
    choices = filters["created at"].choices(page)
    [today] = [each for each in choices if each["display"] == "Today"]
    page = admin.get(LIST + today["query_string"]).context["cl"]
    assert [*page.result_list] == [new]


# Addresses and forms that no page of ours makes

REFUSED = [
    *("created_at__year=9999", "email__regex=(", "username__startswith=%00"),
    *("password__startswith=argon2", "session_epoch=1", "id__exact=1", "nothing=1"),
    *("created_at__gte=9999999-01-01", "created_at__gte=today", "created_at__lt=%00"),
    *("groups__id__exact=x", "groups__id__exact=%00"),
    *("groups__name=x", "groups__permissions__codename=add_user", "p=999999999"),
    *("p=0", "p=-1", "e=1&p=99", "is_active__exact=x&is_active__regex=("),
    *(
        "_to_field=password",
        "created_at__gte=2026-02-30",
        "roles=x",
        "is_active__exact=9",
    ),
]
SHOWN = [
    *("e=1", "o=99", "o=-99.x.1e9", "o=" + "9" * 5000, "all=", "p=x", "q=%00", "q=("),
    *("_facets=1", "_popup=1", "groups__id__exact=99999999999999999999", "q=%ff"),
    *("deleted_at__isnull=perhaps", "created_at__gte=0001-01-01 00:00:00%2B14:00"),
]


@pytest.fixture
def silence(caplog):
    """The log has no line about a fault, and no warning goes past it."""
    yield
    faults = [r for r in caplog.records if r.levelno > logging.WARNING]
    assert not [r for r in faults if not r.name.startswith("django.security")]


def test_an_odd_address_is_answered(admin, silence):
    for name in ("editor", "writer"):
        Role.objects.create(name=name)
    User.objects.bulk_create(
        User(email=f"e{number}@example.org", username=f"nr{number}")
        for number in range(60)
    )
    for query in REFUSED + SHOWN:
        answer = admin.get(f"{LIST}?{query}")
        assert answer.status_code == (200 if query in SHOWN else 400), query
        assert answer["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("page", ["change", "history", "password", "sessions", "locks"])
def test_a_page_of_no_user_leads_back_or_is_not_found(admin, silence, page):
    for key in ("abc", "1", "0" * 32, "%00", "'", "_5F", "../x"):
        answer = admin.get(f"{LIST}{key}/{page}/", follow=True)
        assert answer.status_code in (200, 404), key
        if answer.status_code == 200:
            assert "exist" in answer.content.decode(), key


@pytest.mark.parametrize("path", ["/admin/r/{type}/abc/", "/admin/r/abc/abc/"])
def test_a_link_to_no_object_is_no_fault(admin, silence, path):
    number = ContentType.objects.get_for_model(User).pk
    assert admin.get(path.format(type=number)).status_code in (400, 404)


@pytest.mark.parametrize(
    "odd", ["\0", "\ud800".encode("utf-8", "surrogatepass"), "9" * 30]
)
def test_odd_text_in_a_form_is_explained(admin, root, silence, odd):
    names = ("email", "username", "first_name", "avatar_url", "groups", "password1")
    for name in names:
        for page in (ADD, change_url(root)):
            sent = fields(root, **{name: odd})
            assert admin.post(page, sent).status_code in (200, 302)
    assert admin.post(url("users_role_add"), {"name": odd}).status_code in (200, 302)
    sent = {"action": "deactivate", "_selected_action": odd, "index": odd}
    assert admin.post(LIST, sent).status_code in (302, 400)
    for role in (odd, "abc"):
        sent = {"action": "delete_selected", "_selected_action": role}
        assert admin.post(ROLES, sent).status_code < 500
    assert User.objects.get().is_active


@pytest.mark.parametrize(
    "query",
    [
        {"app_label": "auth", "model_name": "group", "field_name": "user"},
        {"app_label": "admin", "model_name": "logentry", "field_name": "user"},
    ],
)
def test_nothing_is_completed(admin, query):
    """Django's view fails for one, and reads all users for the other."""
    assert admin.get("/admin/autocomplete/", query | {"term": "a"}).status_code == 404


PAGES = [LIST, ROLES, ADD, "/admin/", "/admin/login/", "/admin/autocomplete/"]
PARAMETERS = [
    *("q", "p", "o", "e", "all", "_facets", "_popup", "_to_field", "next"),
    *("created_at__gte", "created_at__lt", "created_at__year", "deleted_at__isnull"),
    *("is_active__exact", "groups__id__exact", "groups__isnull", "_changelist_filters"),
    *("email__regex", "username__in", "id", "name__iregex", "app_label", "term"),
]
VALUES = st.sampled_from(
    [*REFUSED, "9" * 5000, "-1", "1e9", "0x1", "\0", "(", "\\", "%", "''", '"', "٣"]
) | st.text(max_size=20)


@fuzz
@given(
    page=st.sampled_from(PAGES),
    query=st.lists(st.tuples(st.sampled_from(PARAMETERS), VALUES), max_size=4),
)
@example(page=ROLES, query=[("name__iregex", "(")])
@example(page=ROLES, query=[("p", "9" * 12)])
def test_no_address_of_the_admin_is_a_fault(admin, page, query):
    Role.objects.get_or_create(name="editor")
    address = f"{page}?{urlencode(query, errors='surrogatepass')}"
    assert admin.get(address).status_code in (200, 302, 400, 403, 404)
