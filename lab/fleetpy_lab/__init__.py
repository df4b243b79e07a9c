"""`fleet-lab`: real systemd hosts on one machine, for the demo, the tests and the benchmarks."""
