"""Hold evaluations beside one another: `python scripts/compare.py <a> <b>`."""

import sys

from disco.apps.launch import launch
from disco.apps.plain_words import with_list

if __name__ == "__main__":
    sys.argv[1:] = with_list(sys.argv[1:], key="folders")
    launch("compare")
