"""The native way of running: its parts, and real servers on scratch copies."""
