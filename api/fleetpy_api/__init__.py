"""`fleet-api`: the cluster's HTTP API, the original fleet's and what goes beyond it."""
