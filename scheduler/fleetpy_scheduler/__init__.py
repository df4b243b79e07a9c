"""`fleet-scheduler`: one leader at a time decides which machine has which unit."""
