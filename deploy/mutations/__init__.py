"""Whether the tests that docs/security names can fail.

Each kept mutation changes one line of the code so that one requirement no longer holds.
Its test has to fail then, in a copy of the checkout, and to pass without the change.
"""
