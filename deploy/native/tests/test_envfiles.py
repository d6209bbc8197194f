"""What people wrote into their `.env` files stays."""

from deploy.native.envfiles import Setting, complete, parse


def test_missing_settings_are_added_under_their_comment() -> None:
    text = complete("", [Setting("A", "1", "What A is.")], "Heading\nof two lines")
    assert text == "# Heading\n# of two lines\n\n# What A is.\nA=1\n"


def test_lines_that_are_there_stay_as_they_are() -> None:
    before = "# mine\n  A = 2  \nexport B='x y'\nC=\n\nnot an assignment\n"
    after = complete(before, [Setting("A", "1"), Setting("C", "3")], "Heading")
    assert after == before


def test_addresses_of_ours_are_renewed() -> None:
    setting = Setting("URL", "http://localhost:81", ours=r"http://localhost:\d+")
    assert complete("URL=http://localhost:80\n", [setting], "") == (
        "URL=http://localhost:81\n"
    )


def test_addresses_of_others_stay() -> None:
    setting = Setting("URL", "http://localhost:81", ours=r"http://localhost:\d+")
    before = "URL=https://memo.example\n"
    assert complete(before, [setting], "") == before


def test_completing_twice_changes_nothing() -> None:
    settings = [Setting("A", "1", "Comment."), Setting("B", "2")]
    once = complete("", settings, "Heading")
    assert complete(once, settings, "Heading") == once


def test_values_are_read_without_their_quotes_and_never_run() -> None:
    text = "A='one two'\nB=\"x\"\nC=$(touch /tmp/never)\n# D=1\nE=a=b,c=d\n"
    assert parse(text) == {
        "A": "one two",
        "B": "x",
        "C": "$(touch /tmp/never)",
        "E": "a=b,c=d",
    }
