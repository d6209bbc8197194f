#!/usr/bin/env python
"""Django's command line for the Auth Service."""

import os
import sys

from shared.management import execute

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute(sys.argv)
