"""`manage.py resetfactors`: at once, with a code to log in and set up a factor."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import UserFactory
from tests.factors.resets.rows import ALL, NONE, REASON, kinds
from tests.factors.rows import tables_of
from users.accounts import links
from users.accounts.models import Purpose


def resetfactors(*words):
    out = StringIO()
    call_command("resetfactors", *words, stdout=out)
    return out.getvalue()


def test_the_command_does_it_at_once_and_prints_a_code(asked, pushes):
    code = resetfactors("ada", "--reason", REASON).split()[-1]
    assert tables_of(asked) == NONE
    assert kinds(asked)[1:] == ["factors_reset"]
    link = links.find(code, Purpose.ENROL)
    assert links.take(link) == asked


@pytest.mark.parametrize(
    "words", [["ada"], ["ada", "--reason", " "], ["none", "--reason", REASON]]
)
def test_it_needs_a_user_and_a_reason(ada, words):
    with pytest.raises(CommandError):
        resetfactors(*words)
    assert tables_of(ada) == ALL


def test_it_prints_a_code_for_a_user_without_a_factor(pushes):
    bob = UserFactory(username="bob")
    code = resetfactors("bob", "--reason", "new employee").split()[-1]
    assert links.take(links.find(code, Purpose.ENROL)) == bob
