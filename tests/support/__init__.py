"""What several suites share: faulty registries, etcd servers, waiting for conditions."""
