"""Find a learning rate and an adapter's rank: `python scripts/tune.py words="model=symbolic"`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("tune")
