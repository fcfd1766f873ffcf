"""Benchmarks, run by ``make bench``. They print progress and a short table; no test depends on a figure of theirs."""
