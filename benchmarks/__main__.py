"""`make bench`: every contest, one line each."""

from __future__ import annotations

import sys
from itertools import chain

from benchmarks import frechet, plan, train
from benchmarks.side_by_side import run

for contest in (*frechet.contests(), *train.contests()):
    sys.stdout.write(run(contest) + "\n")
    sys.stdout.flush()
for line in chain(train.lora_lines(), plan.lines()):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
