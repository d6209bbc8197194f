"""Users add, name and remove their own factors."""

from uuid import uuid4

import pytest
from django.utils import timezone

from shared.api.exceptions import TokenRevoked
from shared.auth.enrolment import EnrolmentUser
from tests.factories import UserFactory
from tests.factors.conftest import registered
from tests.factors.totp_factors import add_totp, code, start_of_step
from tests.refusals import assert_refused
from users.accounts import links
from users.factors import changes, recovery_codes
from users.factors.models import Factor
from users.models import Event, Mail, User

ME = "/api/v1/users/me"
FACTORS = f"{ME}/factors"


def add(client, name="phone"):
    new = client.post(f"{FACTORS}/totp", {"name": name}).json()
    body = {"code": code(secret=new["secret"])}
    return new, client.post(f"{FACTORS}/{new['id']}/confirm", body)


def events(user):
    rows = Event.objects.filter(user_id=user.pk).order_by("pk")
    return list(rows.values_list("event", flat=True))


def test_the_first_factor_brings_codes_and_ends_other_sessions(
    ada, me, pushes, on_commit
):
    sid = str(uuid4())
    with on_commit():
        new, answer = add(me(sid=sid))
    assert new["uri"].startswith("otpauth://totp/memo.example:ada%40example.org?")
    assert answer.status_code == 200
    codes = answer.json()["recovery_codes"]
    assert len({*codes}) == 10
    [push] = pushes
    assert (push["reason"], push["keep_sid"]) == ("factor_added", sid)
    assert events(ada) == ["factor_added", "sessions_ended"]
    assert Mail.objects.get(user=ada).kind == "factor_added"
    listed = me().get(FACTORS).json()
    assert [each["name"] for each in listed["factors"]] == ["phone"]
    assert not {"backed_up", "suspect_at"} & listed["factors"][0].keys()
    assert (listed["recovery_codes_left"], listed["required"]) == (10, False)


def test_a_wrong_code_confirms_nothing(ada, me):
    new = me().post(f"{FACTORS}/totp", {}).json()
    confirm = f"{FACTORS}/{new['id']}/confirm"
    other = {"code": code(secret="A" * 32)}
    refused = me().post(confirm, other, headers={"accept-language": "de"})
    assert_refused(refused, 400, "validation_error")
    assert "not a code of the new factor" in refused.content.decode()
    assert not Factor.objects.filter(confirmed_at__isnull=False).exists()
    assert not events(ada)


def test_the_code_that_confirms_opens_no_session_too(ada, me, prove):
    start_of_step()  # or the code below is the next one
    new, _ = add(me())
    ada.refresh_from_db()
    used = prove(ada, totp=code(secret=new["secret"]))
    assert_refused(used, 401, "second_factor_invalid")


def test_another_phone_takes_the_place_of_the_one_before(ada, me):
    add_totp(ada)
    _, answer = add(me(acr="aal2"), "new phone")
    assert answer.json() == {"recovery_codes": []}
    assert Factor.objects.get(user=ada).name == "new phone"
    assert events(ada) == ["factor_removed", "sessions_ended", "factor_added"]


def test_a_session_adds_no_first_factor_of_an_operator_who_needs_one(ada, me, settings):
    """A leaked password opens one. With the factor it would open the admin, too."""
    settings.ADMIN_SECOND_FACTOR = "required"
    User.objects.update(is_staff=True)
    refused = me().post(f"{FACTORS}/totp", {})
    assert_refused(refused, 401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in refused["WWW-Authenticate"]
    assert not Factor.objects.exists()


CHANGES = [
    ("post", f"{FACTORS}/totp", {}),
    ("post", FACTORS + "/{id}/confirm", {"code": "123456"}),
    ("patch", FACTORS + "/{id}", {"name": "x"}),
    ("delete", FACTORS + "/{id}", None),
    ("post", f"{ME}/recovery_codes", None),
    ("post", f"{FACTORS}/passkeys/options", None),
    ("delete", f"{ME}/password", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize(
    ("claims", "wanted"),
    [({"acr": "aal1"}, 'acr_values="aal2"'), ({"auth_time": 0}, 'max_age="300"')],
)
def test_a_change_needs_a_new_login_with_a_factor(
    ada, me, method, path, body, claims, wanted
):
    factor = add_totp(ada)
    client = me(**{"acr": "aal2", **claims})
    answer = getattr(client, method)(path.format(id=factor.pk), body)
    assert_refused(answer, 401, "insufficient_user_authentication")
    assert wanted in answer["WWW-Authenticate"]
    assert Factor.objects.get().name == "phone"


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_session_that_has_ended_meanwhile_changes_nothing(
    ada, me, method, path, body, monkeypatch
):
    """MFA-05: by an act that has held the user's row, such as a reset."""
    factor, lock = add_totp(ada), links.lock

    def after_the_end(user_id):
        User.objects.get().end_sessions()
        return lock(user_id)

    monkeypatch.setattr(links, "lock", after_the_end)
    answer = getattr(me(acr="aal2"), method)(path.format(id=factor.pk), body)
    assert_refused(answer, 401, "token_revoked")
    assert Factor.objects.get().name == "phone"


@pytest.mark.parametrize("is_kept_later", [False, True])
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_session_that_has_ended_changes_nothing(
    ada, me, method, path, body, is_kept_later
):
    """MFA-05: the Auth Service does not know it yet, and the token is accepted."""
    factor, sid = add_totp(ada), str(uuid4())
    ada.end_sessions()
    if is_kept_later:
        ada.raise_epoch("factor_added", sid)
    answer = getattr(me(acr="aal2", sid=sid), method)(path.format(id=factor.pk), body)
    assert_refused(answer, 401, "token_revoked")
    assert Factor.objects.get().name == "phone"


@pytest.mark.parametrize("is_new", [False, True], ids=["kept", "opened since"])
def test_a_session_that_lives_after_the_others_have_ended_changes_factors(
    ada, me, is_new
):
    sid = str(uuid4())
    ada.raise_epoch("factor_added", None if is_new else sid)
    claims = {"epoch": ada.session_epoch} if is_new else {"sid": sid}
    assert me(**claims).post(f"{FACTORS}/totp", {"name": "x"}).status_code == 201


@pytest.mark.parametrize(("method", "path", "body"), CHANGES[1:4])
def test_factors_of_others_are_unknown(ada, me, method, path, body):
    add_totp(ada)
    theirs = add_totp(UserFactory())
    answer = getattr(me(acr="aal2"), method)(path.format(id=theirs.pk), body)
    assert_refused(answer, 404, "not_found")
    assert Factor.objects.count() == 2


def test_with_the_last_factor_the_codes_go(ada, me, authenticator, codes):
    passkey, factor = registered(ada, authenticator), add_totp(ada)
    client = me(acr="aal2")
    assert client.delete(f"{FACTORS}/{passkey.pk}").status_code == 204
    assert recovery_codes.left(ada.pk) == 10
    assert client.delete(f"{FACTORS}/{factor.pk}").status_code == 204
    assert recovery_codes.left(ada.pk) == 0
    assert events(ada) == ["factor_removed", "sessions_ended"] * 2
    assert [each.kind for each in Mail.objects.all()] == ["factor_removed"] * 2


@pytest.mark.parametrize(
    "required", [{"SECOND_FACTOR": "required"}, {"SECOND_FACTOR_ROLES": ["finance"]}]
)
def test_the_last_factor_of_who_must_have_one_stays(ada, me, settings, required):
    for name, value in required.items():
        setattr(settings, name, value)
    ada.groups.create(name="finance")
    factor = add_totp(ada)
    answer = me(acr="aal2").delete(f"{FACTORS}/{factor.pk}")
    assert_refused(answer, 409, "last_factor")
    assert Factor.objects.get().pk == factor.pk


def test_a_suspect_passkey_is_not_the_factor_that_stays(ada, me, passkey, settings):
    """It is refused: the user could log in until the recovery codes are used up."""
    settings.SECOND_FACTOR = "required"
    factor = add_totp(ada)
    Factor.objects.filter(pk=passkey.pk).update(suspect_at=timezone.now())
    client = me(acr="aal2")
    assert_refused(client.delete(f"{FACTORS}/{factor.pk}"), 409, "last_factor")
    assert client.delete(f"{FACTORS}/{passkey.pk}").status_code == 204


def test_new_codes_void_the_old_ones(ada, me, prove, codes):
    add_totp(ada)
    [new, *_] = me(acr="aal2").post(f"{ME}/recovery_codes").json()["recovery_codes"]
    assert prove(ada, recovery_code=codes[0]).status_code == 401
    assert prove(ada, recovery_code=new).status_code == 200
    assert events(ada)[0] == "recovery_codes_replaced"
    assert Mail.objects.earliest("pk").kind == "recovery_codes_replaced"


def test_a_name_is_changed(ada, me):
    factor = add_totp(ada)
    answer = me(acr="aal2").patch(f"{FACTORS}/{factor.pk}", {"name": "old phone"})
    assert answer.json()["name"] == "old phone"


def test_an_id_may_have_upper_case_letters(ada, me):
    """RFC 9562 section 4."""
    url = f"{FACTORS}/{str(add_totp(ada, confirmed=False).pk).upper()}"
    assert me().post(f"{url}/confirm", {"code": code()}).status_code == 200
    assert me(acr="aal2").delete(url).status_code == 204


def test_an_enrol_token_is_void_once_sessions_have_ended(ada):
    before = EnrolmentUser(ada.pk, ada.session_epoch)
    ada.end_sessions()
    with pytest.raises(TokenRevoked):
        changes.propose_totp(before, "")


def test_a_totp_waits_for_ten_minutes(ada, me):
    new = me().post(f"{FACTORS}/totp", {}).json()
    Factor.objects.update(created_at=timezone.now() - changes.LIFETIME)
    body = {"code": code(secret=new["secret"])}
    answer = me().post(f"{FACTORS}/{new['id']}/confirm", body)
    assert_refused(answer, 404, "not_found")


def test_where_it_is_off_there_is_nothing(me, settings, ada, prove):
    settings.SECOND_FACTOR = "off"
    factor = add_totp(ada)
    for method, path, body in [("get", FACTORS, None), *CHANGES]:
        answer = getattr(me(acr="aal2"), method)(path.format(id=factor.pk), body)
        assert_refused(answer, 404, "not_found")
    assert User.objects.find(id=ada.pk, factors=True).factor_rows
