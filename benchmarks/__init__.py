"""Timings side by side with other libraries, on the same work with equal outputs."""
