"""Which mode and which routes there are, and what the start refuses."""

from importlib.util import module_from_spec, spec_from_file_location

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, resolve

from config import urls
from tests.accounts.conftest import BASE
from tests.settings_reader import read_settings
from users.accounts import urls as account_urls

MAIL = "smtp://memo@mail.example.org:587?tls=starttls"


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ("development", "", ("off", True)),
        ("development", MAIL, ("optional", True)),
        ("production", "", ("off", False)),
        ("production", MAIL, ("required", True)),
    ],
)
def test_the_default_follows_mail_and_environment(environment, url, expected):
    env = {"ENVIRONMENT": environment, "MAIL_URL": url, "MAIL_FROM": "memo@example.org"}
    found = read_settings(**env, MAIL_PASSWORD="x")
    assert (found["EMAIL_VERIFICATION"], found["MAIL_ENABLED"]) == expected


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"EMAIL_VERIFICATION": "maybe"}, "takes one of: off, optional, required"),
        (
            {"EMAIL_VERIFICATION": "required", "ENVIRONMENT": "production"},
            "EMAIL_VERIFICATION needs MAIL_URL",
        ),
    ],
)
def test_a_mode_that_cannot_be_stops_the_start(env, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        read_settings(**env, MAIL_URL="")


@pytest.mark.parametrize("has_mail", [True, False])
def test_without_mail_its_routes_do_not_exist(settings, has_mail):
    settings.MAIL_ENABLED = has_mail
    spec = spec_from_file_location("routes", urls.__file__)
    routes = module_from_spec(spec)
    spec.loader.exec_module(routes)
    assert resolve(f"{BASE}/me", routes).func
    for route in account_urls.urlpatterns:
        path = f"/{route.pattern}"
        if has_mail:
            assert resolve(path, routes).func == route.callback
        else:
            with pytest.raises(Resolver404):
                resolve(path, routes)
