"""Terms of the objective."""
