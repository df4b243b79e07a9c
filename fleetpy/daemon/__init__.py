"""What every daemon does alike: log to the journal, answer systemd, end on a signal, map errors to exit codes."""
