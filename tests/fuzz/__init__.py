"""Fuzzing of everything that reads what comes from outside; `make fuzz`, and `tests/fuzz/targets` for what is held."""
