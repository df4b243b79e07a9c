"""The cluster's memory: one protocol, etcd and an in-memory implementation of it, and the view of it."""
