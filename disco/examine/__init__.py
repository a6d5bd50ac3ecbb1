"""What a data set holds: pure functions over its records."""
