"""Look into a prepared folder: `python scripts/examine.py data/mine`."""

import sys

from disco.apps.launch import launch
from disco.apps.plain_words import with_keys

if __name__ == "__main__":
    sys.argv[1:] = with_keys(sys.argv[1:], first="root")
    launch("examine")
