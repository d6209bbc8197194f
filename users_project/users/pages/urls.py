"""Routes of the account pages. Links in mails lead to them."""

from django.urls import path

from users.accounts.models import Purpose as P
from users.pages.views import DoneView, LinkView, RequestView

urlpatterns = [
    path("verify", LinkView.as_view(purposes=(P.REGISTER, P.VERIFY))),
    path("reset", LinkView.as_view(purposes=(P.RESET,))),
    path("reset/request", RequestView.as_view(), name="account_request"),
    path("email", LinkView.as_view(purposes=(P.CHANGE_EMAIL,))),
    path("email/undo", LinkView.as_view(purposes=(P.UNDO_EMAIL,))),
    path("restore", LinkView.as_view(purposes=(P.RESTORE,))),
    path("factors/keep", LinkView.as_view(purposes=(P.KEEP_FACTORS,))),
    path("done", DoneView.as_view(), name="account_done"),
]
