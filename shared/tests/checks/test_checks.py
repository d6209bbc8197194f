"""System checks: each by its id, silent where nothing is wrong."""

from types import SimpleNamespace

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from shared.checks import refuse_unsafe
from shared.checks.keys import check_keys
from shared.checks.messages import MESSAGES, SETTINGS
from shared.keys import signing_keys
from shared.tests.production_settings import ALSO_SAFE, BREAKS, SAFE


@pytest.fixture
def pair(tmp_path, settings):
    """The settings of a service that signs, with a pair of 3072 bits."""
    signing_keys.generate(tmp_path)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return tmp_path


def found_by(*functions):
    """The ids of their messages, and the texts."""
    messages = [message for check in functions for message in check(None)]
    assert all(message.hint for message in messages)
    return [message.id for message in messages], " ".join(m.msg for m in messages)


def test_the_checks_are_registered(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    settings.JWT_ISSUER = ""
    settings.ALLOWED_HOSTS = ["users", "users_service"]
    settings.COOKIE_SECURE = False

    def found(**options):
        messages = checks.run_checks(tags=[checks.Tags.security], **options)
        return {message.id: message.msg for message in messages}

    assert [*sorted(found())] == ["memo.E003", "memo.E005", "memo.E006"]
    # Only `check --deploy` shows what production would refuse.
    assert "COOKIE_SECURE" in found(include_deployment_checks=True)["memo.E018"]


def test_a_resource_service_needs_no_private_key_or_the_address_of_a_key_set(
    pair, settings
):
    del settings.JWT_PRIVATE_KEYS_DIR
    assert found_by(check_keys)[0] == []
    settings.JWT_JWKS_URL = "https://memo.example/.well-known/jwks.json"
    settings.JWT_PUBLIC_KEYS_DIR = None
    assert found_by(check_keys)[0] == []


@pytest.mark.parametrize("fault", ["", "bad.pem", "public half"])
def test_a_start_is_refused_with_a_key_that_is_missing_or_faulty(
    pair, settings, tmp_path, fault
):
    """A service that runs continues without a bad file; a start is stricter."""
    if not fault:
        settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    elif fault == "bad.pem":
        (pair / "public" / fault).write_text("x")
    else:
        signing_keys.generate(tmp_path / "other", bits=2048)
        settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "other" / "private"
    ids, text = found_by(check_keys)

    assert ids == ["memo.E003"]
    assert fault in text


@pytest.mark.parametrize(("of_root", "allowed"), [(False, 0o600), (True, 0o440)])
def test_a_private_key_that_others_may_read_is_an_error(
    pair, monkeypatch, of_root, allowed
):
    """OPS-01. A Secret in Kubernetes belongs to root, and is for our group alone."""
    (private,) = (pair / "private").glob("*.pem")
    monkeypatch.setattr("os.geteuid", lambda: private.stat().st_uid + of_root)
    for mode in (allowed, 0o404, 0o440, 0o460, 0o444):
        private.chmod(mode)
        assert found_by(check_keys)[0] == ([] if mode == allowed else ["memo.E003"])


def test_a_key_below_the_recommendation_is_a_warning(settings, tmp_path):
    kid = signing_keys.generate(tmp_path, bits=2048)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    (message,) = check_keys(None)

    assert (message.id, message.level) == ("memo.W004", checks.WARNING)
    assert kid in message.msg


UNSAFE = [(*where, value) for where, values in BREAKS.items() for value in values]


@pytest.fixture
def production(monkeypatch):
    settings = SimpleNamespace(**SAFE)
    for module in ("", ".http", ".keys", ".mail", ".policy", ".stores"):
        monkeypatch.setattr(f"shared.checks{module}.settings", settings)
    return settings


def refusal():
    with pytest.raises(ImproperlyConfigured) as refused:
        refuse_unsafe(SETTINGS)
    return str(refused.value)


@pytest.mark.parametrize(("rule", "name", "value"), UNSAFE)
def test_an_unsafe_setting_is_refused_by_its_rule_alone(production, rule, name, value):
    setattr(production, name, value)
    text = refusal()

    assert f"(memo.{rule})" in text
    # (An empty issuer is not an https URL either.)
    assert text.count("(memo.") == (2 if (name, value) == ("JWT_ISSUER", "") else 1)
    assert "\n" not in text
    production.ENVIRONMENT = "development"
    refuse_unsafe(SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in ALSO_SAFE.items() for value in values],
)
def test_a_safe_setting_is_not_refused(production, name, value):
    setattr(production, name, value)
    refuse_unsafe(SETTINGS)


def test_every_check_of_the_settings_has_a_setting_that_breaks_it():
    need_more = {"E003", "W004"}
    assert {rule for rule, _, _ in UNSAFE} | need_more == set(MESSAGES)


def test_every_fault_is_named_at_once_and_no_secret_is(production, settings):
    """An error of ours cannot be silenced."""
    settings.SILENCED_SYSTEM_CHECKS = ["memo.E010"]
    production.DEBUG = True
    production.SECRET_KEY = "short-canary"
    production.INTERNAL_API_KEYS = [("users", "canary")]
    production.USERS_SERVICE_API_KEY = "canary"
    production.DATABASES = {"default": {"PASSWORD": "", "USER": "canary"}}
    production.SIMPLE_JWT = {"ALGORITHM": "HS256", "SIGNING_KEY": "canary"}
    text = refusal()

    for rule in ("E001", "E010", "E011", "E013", "E014", "E022"):
        assert f"(memo.{rule})" in text
    assert "has less than 256 bits: of users, USERS_SERVICE_API_KEY (memo.E001)" in text
    assert "canary" not in text


def test_the_keys_for_a_service_of_your_own_are_checked_too(production):
    production.NOTES_SERVICE_URL = "http://notes:8000"
    production.NOTES_SERVICE_API_KEY = ""
    assert "random: NOTES_SERVICE_API_KEY (memo.E013)" in refusal()
    production.NOTES_SERVICE_API_KEY = "x1y2" * 5
    assert "256 bits: NOTES_SERVICE_API_KEY (memo.E001)" in refusal()
    production.NOTES_SERVICE_API_KEY = production.INTERNAL_API_KEYS[0][1]
    assert "(memo.E002)" in refusal()
    production.NOTES_SERVICE_API_KEY = production.USERS_SERVICE_API_KEY[::-1]
    refuse_unsafe(SETTINGS)


def test_a_service_without_users_and_without_simplejwt_may_start(production):
    """What a third service is: Django's own user model and hashers, no calls."""
    refuse_unsafe(SETTINGS)
    del production.SIMPLE_JWT
    production.AUTH_USER_MODEL = "auth.User"
    production.PASSWORD_HASHERS = SAFE["PASSWORD_HASHERS"][1:]
    production.EXPECTED_CALLERS = production.INTERNAL_API_KEYS = []
    production.USERS_SERVICE_URL = production.USERS_SERVICE_API_KEY = ""

    refuse_unsafe(SETTINGS)
    production.ENVIRONMENT = "prod"
    assert "ENVIRONMENT" in refusal()
