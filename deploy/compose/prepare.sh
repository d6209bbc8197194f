#!/bin/sh
# What is done once before a new version of a service starts, with the role that owns
# the database. Safe to repeat; `set -e` keeps the service from starting after a failure.
set -eu

# gunicorn runs no system checks, so whatever is wrong with the settings ends here.
if [ "${ENVIRONMENT:-production}" = production ]; then
    python manage.py check --deploy --fail-level WARNING
fi

python manage.py migrate --no-input

# One folder for all services, which prepare themselves at the same time and have files
# in common: one after the other.
flock "$STATIC_ROOT" python manage.py collectstatic --no-input
