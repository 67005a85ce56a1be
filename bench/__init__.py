"""Measurements that are too slow for the tests; `make bench` runs them and prints one table."""
