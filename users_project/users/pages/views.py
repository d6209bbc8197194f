"""Pages for the links in mails, and the start page. They work without JavaScript.

GET and HEAD change nothing, since mail scanners open links too. A page says what will
happen, its button sends a POST, and the next page has no token in its URL.

The pages have no session, and so no CSRF token. A form needs the link's token, which
other sites do not have. Only a request for a mail needs none, and anyone may make it.
The device cookie selects the limits of a password and may replace the second factor.
Forms sent by other sites are also refused by Fetch Metadata and Origin.
"""

import re
from typing import Any

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import translation
from django.views.generic import FormView, TemplateView
from django.views.generic.base import View
from rest_framework.exceptions import APIException, ValidationError

from shared.api.exceptions import SecondFactorRequired, error_headers
from shared.auth.fetch_metadata import SameOriginRequired
from users.accounts import links
from users.accounts.models import Link, Purpose
from users.limits.guess_limits import client_of
from users.middleware import remember_device
from users.pages import second_step
from users.pages.forms import (
    PAGES,
    REFUSED,
    AccountForm,
    LinkForm,
    PasswordForm,
    RequestForm,
)
from users.pages.second_step import FactorForm, read_state
from users.pages.texts import REQUEST, TEXTS

TOKEN = re.compile(r"[\w-]{64}(?![\w-])", re.ASCII)  # `links.token_of`


class Page(View):
    """A page in the language of its reader. Caches do not store it."""

    def language(self) -> str:
        return translation.get_language_from_request(self.request)

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override(self.language()):
            response = super().dispatch(*args, **kwargs)
            if isinstance(response, TemplateResponse):
                response.render()
        response["Cache-Control"] = "no-store"
        return response


class StartView(Page, TemplateView):
    template_name = "account/start.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        has_pages = settings.ACCOUNT_PAGES and settings.MAIL_ENABLED
        shown = {"has_pages": has_pages, "has_docs": settings.DOCS_ENABLED}
        return super().get_context_data(**shown, **kwargs)


class DoneView(Page, TemplateView):
    """The page after a success. It shows what the query says, which anyone may type."""

    template_name = "account/done.html"

    def language(self) -> str:
        named = self.request.GET.get("lang")
        return named if named in dict(settings.LANGUAGES) else super().language()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        texts = TEXTS.get(self.request.GET.get("what", ""))
        if texts is None:
            raise Http404
        return super().get_context_data(texts=texts, **kwargs)


class FormPage(Page, FormView):
    """A form, and the errors that its service raises."""

    template_name = "account/form.html"
    what: str

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """`address` is the address of the link, if the page has one."""
        texts = TEXTS[self.what]
        intro = texts.intro % {"address": kwargs.get("address", "")}
        return super().get_context_data(texts=texts, intro=intro, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        SameOriginRequired().has_permission(request, self)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AccountForm) -> HttpResponse:
        try:
            result = form.submit(client_of(self.request))
        except REFUSED as exc:
            form.refuse(exc)
            return self.form_invalid(form, exc)
        return self.succeed(result)

    def succeed(self, result: Any) -> HttpResponse:
        """The response after the service has returned `result`."""
        query = {"what": self.what, "lang": translation.get_language()}
        page = reverse("account_done", query=query)
        return HttpResponseRedirect(page, status=303)

    def form_invalid(
        self, form: AccountForm, exc: APIException | None = None
    ) -> HttpResponse:
        form.focus_error()
        context, exc = self.get_context_data(form=form), exc or ValidationError()
        more = {"status": exc.status_code, "headers": error_headers(exc)}
        return self.render_to_response(context, **more)


class RequestView(FormPage):
    """The page that requests a mail with a link for a new password."""

    what = REQUEST
    form_class = RequestForm


class LinkView(FormPage):
    """The page of a link with one of these purposes."""

    purposes: tuple[Purpose, ...] = ()
    link: Link

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Find the link without using it up or counting an attempt: the service does
        both later. Raises LinkInvalid, whose page is in `users.errors`."""
        super().setup(request, *args, **kwargs)
        sent = request.POST if request.method == "POST" else request.GET
        # An operator may have entered the whole link in the admin.
        *_, token = "", *TOKEN.findall(sent.get("token", ""))
        self.link = links.find(token, *self.purposes)
        self.what = self.link.purpose

    def form_valid(self, form: AccountForm) -> HttpResponse:
        form.link = self.link
        try:
            return super().form_valid(form)
        except SecondFactorRequired:
            form = second_step.first_form(self.link)
            return self.render_to_response(self.get_context_data(form=form))

    def succeed(self, result: Any) -> HttpResponse:
        user = self.link.user
        if user and issubclass(PAGES[self.what].form, PasswordForm):
            remember_device(self.request, user)
        return super().succeed(result)

    def language(self) -> str:
        owner: Any = self.link.user or self.link.registration
        return str(owner.locale)

    def get_form_class(self) -> type[LinkForm]:
        """The form of the second step if `state` proves that the first is done."""
        form, state = PAGES[self.what].form, self.request.POST.get("state", "")
        if issubclass(form, PasswordForm) and read_state(self.link, state) is not None:
            return FactorForm
        return form

    def get_initial(self) -> dict[str, Any]:
        registration = self.link.registration
        username = registration.username if registration else ""
        return {"token": links.token_of(self.link), "username": username}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(address=self.link.address, **kwargs)
        form = context["form"]
        if isinstance(form, FactorForm):
            self.template_name = "account/factor.html"
            context |= {"intro": second_step.INTRO}
            context |= {"options": second_step.passkey_options(self.link, form)}
        return context
