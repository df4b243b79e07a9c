"""Random faults on real hosts, and proof from what the units themselves wrote down that no promise was broken."""
