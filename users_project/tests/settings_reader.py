"""The settings of the service, read again with another environment."""

import os
import runpy
import sys
from unittest.mock import patch

from django.test import override_settings

import shared
from shared.apps import SharedConfig

MODULES = ("config.settings", "shared.settings")


def read_settings(**env):
    """All settings by name, as a start reads them, in this process. Raises
    ImproperlyConfigured, which a process prints in one line as it ends:
    test_configuration.py."""
    with patch.dict(os.environ, env), patch.dict(sys.modules), patch("sys.excepthook"):
        for name in MODULES:
            del sys.modules[name]
        found = runpy.run_module(MODULES[0])
    with override_settings(MISSING_SETTINGS=found["MISSING_SETTINGS"]):
        SharedConfig("shared", shared)
    return found
