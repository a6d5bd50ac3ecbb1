"""`make bench`: every contest, one line each."""

from __future__ import annotations

import sys
from itertools import chain

from benchmarks import evaluate, feed, musicgen, plan, prepare, saving, train
from benchmarks.side_by_side import run

for contest in (*evaluate.contests(), *train.contests(), *prepare.contests(), *feed.contests()):
    sys.stdout.write(run(contest) + "\n")
    sys.stdout.flush()
for line in chain(
    saving.lines(),
    train.overhead_lines(),
    train.lora_lines(),
    musicgen.lines(),
    plan.lines(),
    prepare.lines(),
):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
