import pytest
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from tests.factories import UserFactory
from users.accounts import links
from users.accounts.models import Purpose
from users.mail.models import Mail


@pytest.fixture
def run_jobs():
    """Does what waits for the worker, but sending."""

    def run():
        jobs = ProcrastinateJob.objects.filter(status="todo").order_by("id")
        for name, args in jobs.values_list("task_name", "args"):
            if name != "send_mail":
                app.tasks[name](**args)
        jobs._raw_delete("default")

    return run


@pytest.fixture
def mailed(run_jobs):
    """Runs the jobs; then the kind and the address of each mail since the last call."""
    seen = set()

    def new():
        run_jobs()
        mails = Mail.objects.exclude(pk__in=seen).order_by("pk")
        seen.update(mail.pk for mail in mails)
        return mails

    return lambda: [(mail.kind, mail.address) for mail in list(new())]
