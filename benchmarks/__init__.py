"""Measurements of this project beside others: each is run as `python -m benchmarks.NAME`."""
