"""`make bench`: every contest, one line each."""

from __future__ import annotations

import sys

from benchmarks import frechet
from benchmarks.side_by_side import run

for contest in frechet.contests():
    sys.stdout.write(run(contest) + "\n")
