"""Pure functions over sound."""
