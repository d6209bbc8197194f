"""Our services next to others, on one machine: docs/performance.md."""
