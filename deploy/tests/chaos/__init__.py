"""Chaos: users at work, faults every few seconds, and a checker of every answer.

    timeline              which part was in trouble and when; the bounds that follow
    expected_state        one question and its answer; what was acknowledged to whom
    checker               what must hold of every answer, and what did not
    client, simulated_user, background_clients    who asks, and for what
    link                  links between parts, which can be slow, cut or silent
    stack, proxied_stack  a stack of this checkout, and one with a link in every way
    faults, clocks        what can be broken
    target, run, report   one run from the start to the figures

docs/testing.md explains how to try it on your own deployment.
"""
