"""Whether the tests that docs/security.md names can fail.

Each kept mutation changes one line of the code so that one requirement no longer
holds. Its test is run against a copy of the checkout that has this line, and has to
fail; against the copy as it is, it has to pass.
"""
