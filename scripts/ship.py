"""Put a finished run into the repository as a base: `python scripts/ship.py run=outputs/base/musicgen`."""

from disco.apps.launch import launch

if __name__ == "__main__":
    launch("ship")
