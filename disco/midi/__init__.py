"""Pure functions over scores."""
