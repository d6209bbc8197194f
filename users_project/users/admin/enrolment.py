"""Setting up the first second factor of an operator who must have one. Without it there
is no session: what waits is a challenge, and it opens these two pages alone."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from shared.api.exceptions import LinkInvalid, TokenInvalid
from shared.auth import device_cookie
from shared.auth.enrolment import EnrolmentUser
from users.admin import challenges
from users.admin.add_factor import AddFactorPage
from users.admin.challenges import Use
from users.admin.second_factor import ChallengePage
from users.factors import enrolment
from users.models import User

INVALID = "It is not complete, has been used or has expired, or is not yours."
MAILED = (
    "The password is not enough. If your address is verified, a mail with a link is on "
    "its way: enter the link here. Or ask an operator for a code."
)


class ProofForm(forms.Form):
    token = forms.CharField(
        required=False,
        max_length=500,
        label="Code or link",
        help_text="What an operator gave you, or the link of our mail. Leave it empty "
        "on a device that you have logged in from, or to have a mail sent.",
        widget=forms.TextInput({"autocomplete": "off", "autofocus": True}),
    )

    def clean_token(self) -> str:
        """Of a link, its token."""
        return str(self.cleaned_data["token"]).rpartition("token=")[2].strip()


class ProofView(ChallengePage):
    """Asks for more than the password, which may have leaked."""

    title = "Set up a second factor"
    form_class = ProofForm
    use = Use.ENROL

    def form_valid(self, form: ProofForm) -> HttpResponse:
        user, device = self.challenge.user, device_cookie.read(self.request)
        token = form.cleaned_data["token"]
        try:
            if not enrolment.is_proved(user, device, token):
                return self.refuse(form, MAILED)
        except LinkInvalid:
            return self.refuse(form, INVALID)
        if not challenges.consume(self.challenge):
            return self.start_over()
        answer = redirect("admin_enrol_factor")
        following = challenges.create(Use.ENROLLING, user)
        challenges.set_cookie(answer, Use.ENROLLING, following)
        return answer


class EnrolFactorView(AddFactorPage):
    """Adds it. Then the operator logs in again, with it."""

    challenge: Any  # a Challenge, with its user
    base = "admin/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Raises TokenInvalid."""
        self.challenge = challenges.find(request, Use.ENROLLING)
        if self.challenge is None:
            raise TokenInvalid
        return super().dispatch(request, *args, **kwargs)

    def owner(self) -> User:
        user: User = self.challenge.user
        return user

    def caller(self) -> EnrolmentUser:
        return EnrolmentUser(self.owner().pk, self.challenge.session_epoch)

    def added(self, codes: list[str]) -> HttpResponse:
        answer = self.show_codes(codes, "admin:login", "Log in")
        challenges.delete_cookie(answer)
        return answer
