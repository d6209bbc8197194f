"""Chaos: users at work, a fault every few seconds, and a checker of every answer."""
