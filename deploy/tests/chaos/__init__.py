"""Chaos: users at work, a fault every few seconds, and a checker of every answer.

record                what was acknowledged to which client, and what had a fault
checker               what must hold of every answer
clients               users, a service, and an auditor
link, stack, faults   what can be broken, and how
run                   one run from the start to the audit
"""
