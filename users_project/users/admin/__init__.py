"""The Django admin of users: Django's autodiscovery imports this package."""

from django.contrib import admin
from procrastinate.contrib.django import admin as _  # noqa: F401 (registers it)
from procrastinate.contrib.django.models import ProcrastinateJob

from users.admin import events as events
from users.admin import users as users

# Its actions change jobs without confirmation and without an event. Operators use
# `manage.py procrastinate shell`.
admin.site.unregister(ProcrastinateJob)
admin.site.site_header = "Memo"
admin.site.site_title = "Memo"
admin.site.index_title = "Users and roles"
admin.site.site_url = None  # no link "View site"
