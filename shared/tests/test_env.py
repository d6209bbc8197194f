"""The environment: secrets from files, what is missing is named."""

import os
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared.env import Env, project_dir, report


@pytest.fixture
def environ(monkeypatch, tmp_path):
    """An environment of its own: nothing that is read here stays in the process."""
    monkeypatch.setattr(Env, "ENVIRON", {})
    monkeypatch.delenv("ENV_FILE", raising=False)
    return Env.ENVIRON


@pytest.fixture
def env(environ, tmp_path):
    return Env(tmp_path)


def test_a_secret_may_be_in_a_file(env, environ, tmp_path):
    (tmp_path / "secret").write_text("hush\n")
    environ["SECRET_KEY_FILE"] = str(tmp_path / "secret")

    assert env.str("SECRET_KEY") == "hush"


def test_what_came_by_file_is_remembered_and_the_secret_stays_out_of_the_environment(
    env, environ, tmp_path
):
    """A process that is started by this one finds the file, and reads it itself."""
    (tmp_path / "secret").write_text("hush")
    environ |= {"SECRET_KEY_FILE": "secret", "LOG_LEVEL": "INFO"}
    before = dict(environ)

    assert (env.str("SECRET_KEY"), env.str("LOG_LEVEL")) == ("hush", "INFO")
    assert env.secret_files == {"SECRET_KEY": tmp_path / "secret"}
    assert environ == before


def test_a_relative_path_starts_at_the_projects_folder(env, environ, tmp_path):
    (tmp_path.parent / "secret").write_text("hush")
    environ["SECRET_KEY_FILE"] = "../secret"

    assert env.str("SECRET_KEY") == "hush"


def test_the_value_itself_wins_over_its_file(env, environ):
    environ |= {"SECRET_KEY": "here", "SECRET_KEY_FILE": "/nowhere"}

    assert env.str("SECRET_KEY") == "here"


def test_a_file_that_cannot_be_read_is_named_by_its_variable(env, environ):
    environ["SECRET_KEY_FILE"] = "/nowhere/secret"

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE") as caught:
        env.str("SECRET_KEY")
    assert "No such file" in str(caught.value)


def test_what_is_missing_is_named(env):
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        env.str("SECRET_KEY")


def test_a_default_is_a_default(env, environ, tmp_path):
    assert env.str("LOG_LEVEL", default="INFO") == "INFO"
    (tmp_path / "level").write_text("DEBUG")
    environ["LOG_LEVEL_FILE"] = "level"
    assert env.str("LOG_LEVEL", default="INFO") == "DEBUG"


def test_every_kind_of_value_may_be_in_a_file(env, environ, tmp_path):
    (tmp_path / "number").write_text("7\n")
    (tmp_path / "keys").write_text("auth=abc,users=def\n")
    environ |= {"WEB_THREADS_FILE": "number", "INTERNAL_API_KEYS_FILE": "keys"}

    assert env.int("WEB_THREADS") == 7
    assert env.api_keys("INTERNAL_API_KEYS") == [("auth", "abc"), ("users", "def")]


def test_a_folder_is_relative_to_the_project(env, environ, tmp_path):
    environ["KEYS"] = "../keys/public"
    assert env.folder("KEYS") == tmp_path.parent / "keys" / "public"
    environ["KEYS"] = ""
    with pytest.raises(ImproperlyConfigured, match="KEYS is empty"):
        env.folder("KEYS")

    environ["KEYS"] = "/somewhere"
    assert str(env.folder("KEYS")) == "/somewhere"


# --- API keys -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("auth=abc", [("auth", "abc")]),
        ("auth=abc,auth=next", [("auth", "abc"), ("auth", "next")]),
        ("auth=a=b==", [("auth", "a=b==")]),
        ("auth=abc,", [("auth", "abc")]),
    ],
)
def test_api_keys_are_pairs_of_caller_and_key(env, environ, text, pairs):
    environ["KEYS"] = text

    assert env.api_keys("KEYS") == pairs


def test_no_api_keys_are_an_empty_list(env):
    assert env.api_keys("KEYS") == []


@pytest.mark.parametrize("text", ["abc", "auth=", "=abc", "auth=abc,def", "="])
def test_api_keys_of_another_shape_are_refused_and_not_repeated(env, environ, text):
    environ["KEYS"] = text

    with pytest.raises(ImproperlyConfigured, match="KEYS") as caught:
        env.api_keys("KEYS")
    assert "abc" not in str(caught.value)


# --- Databases ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres://auth_app@//run/dir/auth-db/auth", "/run/dir/auth-db", ""),
        ("postgres://auth_app@auth-db:5432/auth", "auth-db", 5432),
    ],
)
def test_a_database_is_a_socket_or_a_host(env, environ, url, host, port):
    environ |= {"DATABASE_URL": url, "DATABASE_PASSWORD": "hush"}

    database = env.database()

    assert (database["HOST"], database["PORT"]) == (host, port)
    assert (database["NAME"], database["USER"]) == ("auth", "auth_app")
    assert database["PASSWORD"] == "hush"


def test_the_password_may_be_any_text(env, environ, tmp_path):
    (tmp_path / "password").write_text("p@ss/w%rd:#?\n")
    environ |= {
        "DATABASE_URL": "postgres://a@h/d",
        "DATABASE_PASSWORD_FILE": "password",
    }

    assert env.database()["PASSWORD"] == "p@ss/w%rd:#?"


def test_the_owner_role_is_used_where_it_is_given(env, environ):
    environ |= {
        "DATABASE_URL": "postgres://auth_app@h/auth",
        "DATABASE_PASSWORD": "app",
        "MIGRATION_DATABASE_URL": "postgres://auth_owner@h/auth",
        "MIGRATION_DATABASE_PASSWORD": "owner",
    }

    database = env.database()

    assert (database["USER"], database["PASSWORD"]) == ("auth_owner", "owner")


# --- The .env file ------------------------------------------------------------------


def test_the_env_file_is_beside_manage_py(environ, tmp_path):
    (tmp_path / ".env").write_text("GREETING=hello\n")

    assert Env(tmp_path).str("GREETING") == "hello"


def test_the_real_environment_wins(environ, tmp_path):
    (tmp_path / ".env").write_text("GREETING=hello\n")
    environ["GREETING"] = "good evening"

    assert Env(tmp_path).str("GREETING") == "good evening"


def test_another_env_file_may_be_named(environ, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("GREETING=hello\n")
    (tmp_path / "other").write_text("GREETING=hi\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "other"))

    assert Env(tmp_path).str("GREETING") == "hi"


def test_values_are_parsed_and_never_run(environ, tmp_path):
    (tmp_path / ".env").write_text("A=`touch canary`\n")

    assert Env(tmp_path).str("A") == "`touch canary`"
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("how", ["value", "file"])
def test_a_value_that_would_be_taken_for_a_variables_name_is_refused(
    env, environ, tmp_path, how
):
    """django-environ would look for the rest of the password, and print it."""
    (tmp_path / "password").write_text("$canary")
    name, value = {"value": ("A", "$canary"), "file": ("A_FILE", "password")}[how]
    environ[name] = value

    with pytest.raises(ImproperlyConfigured, match="dollar") as caught:
        env.str("A", default="")
    assert "canary" not in str(caught.value)


def test_it_is_known_which_names_were_written_and_which_were_asked_for(
    environ, tmp_path
):
    (tmp_path / ".env").write_text("# X=1\nexport A=1\nB=2\nD_FILE=/dev/null\n")
    env = Env(tmp_path)
    env.str("A")
    env.str("D", default="")

    assert env.names.written == {"A", "B", "D_FILE"}
    assert env.names.known == {"A", "A_FILE", "D", "D_FILE"}


def test_an_address_that_cannot_be_read_is_not_repeated(env, environ):
    """A slash in the password: what follows the colon is no port, and is told."""
    environ["DATABASE_URL"] = "postgres://auth_app:pass/canary@db:5432/auth"

    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot") as caught:
        env.database()
    assert "pass" not in str(caught.value)


# --- The project's folder -----------------------------------------------------------


def test_the_project_is_where_the_settings_package_is(tmp_path, monkeypatch):
    project = tmp_path / "some_project"
    (project / "some_config").mkdir(parents=True)
    (project / "some_config" / "__init__.py").touch()
    monkeypatch.syspath_prepend(project)
    monkeypatch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "some_config.settings")

    assert project_dir() == project
    assert "some_config" not in sys.modules


def test_a_settings_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "nowhere.settings")

    with pytest.raises(ImproperlyConfigured, match="nowhere"):
        project_dir()


@pytest.mark.parametrize(
    ("text", "wanted"), [("true", True), ("ON", True), ("1", True), ("no", False)]
)
def test_a_switch_is_on_or_off(env, environ, text, wanted):
    environ["COOKIE_SECURE"] = text
    assert env.switch("COOKIE_SECURE", default=not wanted) is wanted


@pytest.mark.parametrize("text", ["ture", "", "2", "maybe"])
def test_a_switch_with_a_typo_is_refused_by_name(env, environ, text):
    """django-environ would take it for no."""
    environ["COOKIE_SECURE"] = text
    with pytest.raises(ImproperlyConfigured, match="COOKIE_SECURE"):
        env.switch("COOKIE_SECURE", default=True)


@pytest.mark.parametrize("text", ["0", "60"])
def test_a_number_in_its_range_is_taken(env, environ, text):
    environ["JWT_LEEWAY"] = text
    assert env.number("JWT_LEEWAY", default=10, most=60) == int(text)


@pytest.mark.parametrize("text", ["soon", "-3", "61", "1.5", "", "9" * 5000])
def test_any_other_number_is_refused_by_name(env, environ, text):
    environ["JWT_LEEWAY"] = text
    with pytest.raises(ImproperlyConfigured, match="JWT_LEEWAY must be 0 to 60"):
        env.number("JWT_LEEWAY", default=10, most=60)


def test_choices_are_some_of_the_words(env, environ):
    assert env.choices("CLAIMS", default=["a", "b"]) == ["a", "b"]
    environ["CLAIMS"] = "b"
    assert env.choices("CLAIMS", default=["a", "b"]) == ["b"]
    environ["CLAIMS"] = "b,c"
    with pytest.raises(ImproperlyConfigured, match="CLAIMS"):
        env.choices("CLAIMS", default=["a", "b"])


def test_only_postgresql_is_a_database(env, environ):
    environ["DATABASE_URL"] = "mysql://x@y/z"
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be postgres"):
        env.database()


@pytest.mark.parametrize("text", ["3/minute", "5/15minute; 20/day", "1 per hour"])
def test_limits_are_in_the_notation_of_the_package(env, environ, text):
    environ["LOGIN_LIMIT"] = text
    assert env.rate_limits("LOGIN_LIMIT", "10/minute") == text


def test_a_limit_has_a_default(env):
    assert env.rate_limits("LOGIN_LIMIT", "10/minute") == "10/minute"


NO_LIMITS = ["", "0", "10", "10/", "/60", "10/60", "10/0", "-1/minute", "10/decade"]
NO_LIMITS += [
    "0/minute",
    "5/minute; 0/day",
    "5/minute, x",
    "9999999999/day",
    "1/11year",
]


@pytest.mark.parametrize("text", NO_LIMITS)
def test_any_other_limit_is_refused_by_name(env, environ, text):
    environ["LOGIN_LIMIT"] = text
    with pytest.raises(ImproperlyConfigured, match="LOGIN_LIMIT must be"):
        env.rate_limits("LOGIN_LIMIT", "10/minute")


def test_a_refused_setting_is_one_line_and_another_fault_has_its_traceback(capsys):
    report(ImproperlyConfigured, ImproperlyConfigured("no\n  good"), None)
    assert capsys.readouterr().err == "ImproperlyConfigured: no good\n"
    report(KeyError, KeyError("x"), None)
    assert "KeyError" in capsys.readouterr().err
