"""What turns sound into points whose distances mean something, one file and one YAML each."""
