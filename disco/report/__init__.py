"""One HTML page per run: measures, players, pictures and curves in a single file."""
