"""What one sees while training."""
