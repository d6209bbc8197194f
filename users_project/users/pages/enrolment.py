"""The page that sets up a user's first second factor. It needs a mailed link or an
operator's code, and the password. At the end it shows the recovery codes, once."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from shared.api.exceptions import LinkInvalid
from shared.auth.enrolment import EnrolmentUser
from users.accounts import links, proofs
from users.accounts.models import Link, Purpose
from users.accounts.proofs import Proof
from users.factors import changes, registration, secrets, totp
from users.factors.models import Factor
from users.limits.guess_limits import Client, counted
from users.models import User
from users.pages.forms import LinkForm, PasswordForm
from users.pages.second_step import CodeForm, read_state, sign_state
from users.pages.views import LinkView

INTRO = _(
    "Scan the picture with an authenticator app, or enter the key there. Then enter "
    "the code that the app shows."
)


class StartForm(PasswordForm):
    """Asks for the password. `submit` returns a TOTP factor that is not confirmed."""

    def submit(self, client: Client) -> Factor:
        data = self.cleaned_data
        with counted(client):
            link = links.find(data["token"], Purpose.ENROL)
            owner(link)
            proofs.check(link, Proof(data["password"]), client)
            factor, _secret = changes.propose_totp(caller(link), "")
        return factor


class ConfirmForm(CodeForm):
    """Asks for a code of the TOTP factor whose ID is in `state`, or for a new passkey.
    `submit` returns the recovery codes."""

    def submit(self, client: Client) -> list[str]:
        data = self.cleaned_data
        with counted(client):
            link = links.find(data["token"], Purpose.ENROL)
            factor_id = read_state(link, data["state"])
            if factor_id is None:
                raise LinkInvalid
            if data["credential"]:
                passkey = registration.register(owner(link), data["credential"], "")
                return add(link, registration.complete, passkey, client)
            return add(
                link, changes.confirm_totp, UUID(factor_id), data["code"], client
            )


def caller(link: Link) -> EnrolmentUser:
    """The link's user, who may add the first factor only, as with an enrol token."""
    assert link.user_id is not None
    return EnrolmentUser(link.user_id, link.session_epoch)


def owner(link: Link) -> User:
    """The link's user. Raises LinkInvalid if the user is absent or has a new epoch."""
    user = User.objects.find(id=link.user_id)
    if user is None or user.session_epoch != link.session_epoch:
        raise LinkInvalid
    return user


@transaction.atomic
def add(link: Link, change: Callable[..., list[str]], *factor: Any) -> list[str]:
    """Use up the link and make the change. Return the recovery codes."""
    links.take(link)
    return change(caller(link), *factor)


class EnrolView(LinkView):
    purposes = (Purpose.ENROL,)
    factor: Factor | None = None

    def get_form_class(self) -> type[LinkForm]:
        """The form of the second step while the TOTP factor is not confirmed."""
        factor_id = read_state(self.link, self.request.POST.get("state", ""))
        if factor_id:
            waiting = Factor.objects.filter(user=self.link.user_id, confirmed_at=None)
            self.factor = waiting.filter(pk=factor_id).first()
        return ConfirmForm if self.factor else StartForm

    def succeed(self, result: Any) -> HttpResponse:
        if not isinstance(result, Factor):
            context = super().get_context_data(codes=result, form=None)
            return self.response_class(self.request, "account/codes.html", context)
        self.factor = result
        initial = {"token": links.token_of(self.link)}
        initial["state"] = sign_state(self.link, str(result.pk))
        form = ConfirmForm(initial=initial)
        return self.render_to_response(self.get_context_data(form=form))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if self.factor is None:
            return context
        self.template_name = "account/enrol.html"
        user, secret = owner(self.link), secrets.decrypt(self.factor)
        uri = totp.uri(secret, user.email)
        context |= {"secret": secret, "uri": uri, "picture": totp.qr_code(uri)}
        options = json.dumps(registration.options(user))
        return context | {"intro": INTRO, "options": options}
