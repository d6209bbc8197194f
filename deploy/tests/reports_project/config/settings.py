"""A third service, as small as one can be: it joins by its settings alone."""

from shared.settings import *
