"""The bench: our services beside their opponents, on the machine at hand.

`./manage_all.sh bench`; docs/performance.md tells what came of it.
"""
