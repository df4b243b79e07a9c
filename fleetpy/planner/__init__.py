"""Deciding which machine has which unit: a pure function from a frozen picture of the cluster to actions."""
