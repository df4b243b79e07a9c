"""What every daemon does alike: its command line, logs, answers to systemd and to signals, reloads, exit codes."""
