"""How training goes."""
