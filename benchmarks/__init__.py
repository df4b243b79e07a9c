"""What fleetpy takes, in seconds, bytes and wake-ups, beside what it may take: `python -m benchmarks`."""
