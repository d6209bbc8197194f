"""The base of the admin's pages for logins and factors."""

from typing import Any

from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView


@method_decorator(sensitive_post_parameters(), name="dispatch")
@method_decorator(never_cache, name="dispatch")
class AdminFormPage(RedirectURLMixin, FormView):
    """A form in the admin's layout. It redirects to `next` if that is on this site."""

    title: Any
    button = "Continue"
    next_page = settings.LOGIN_REDIRECT_URL

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        shown = {"title": self.title, "next": self.get_redirect_url()}
        return {**site.each_context(self.request), **shown, **context}

    def refuse(self, form: Any, why: str) -> HttpResponse:
        """Show the form again with the reason `why`."""
        form.add_error(None, why)
        return self.form_invalid(form)
