"""The Django admin of users: Django's autodiscovery imports this package."""

from django.contrib import admin
from procrastinate.contrib.django import admin as _  # noqa: F401 (registers it)
from procrastinate.contrib.django.models import ProcrastinateJob

from users.admin import events as events
from users.admin import users as users

# Its actions change jobs without asking and without an event. Operators have the
# command `procrastinate shell` of `manage.py`.
admin.site.unregister(ProcrastinateJob)
admin.site.site_header = "Memo"
admin.site.site_title = "Memo"
admin.site.index_title = "Users and roles"
admin.site.site_url = None  # there is no other site to link to
