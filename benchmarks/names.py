"""The benchmarks."""

BENCHMARKS = ("planner", "cli", "scale", "start", "failover", "partition", "idle")
"""In the order in which they run. Each is a module with a function `run`."""
