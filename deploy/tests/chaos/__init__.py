"""Chaos: users at work, a fault every few seconds, and a checker of every answer.

timeline              which part had a fault and when; the bounds that follow
expected_state        what was acknowledged to which client
checker               what must hold of every answer
client, simulated_user, background_clients    the clients
link, stack, faults   what can be broken, and how
run                   one run from the start to the audit
"""
