"""Rebuild the demo corpus from music21's wheel: `python scripts/rebuild_corpus.py`."""

import argparse
import importlib.util
import sys
from pathlib import Path

from disco.corpus.rebuild import build_corpus
from disco.corpus.tunes import CORPUS
from disco.errors import DiscoError


def main() -> None:
    """Write the corpus and say what was kept and what was left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=CORPUS, help="folder to write into")
    target = parser.parse_args().target
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise DiscoError("the sources of the corpus come with music21", do="pip install music21")
    report = build_corpus(Path(spec.origin).parent / "corpus", target)
    for book, counts in report.items():
        for reason, count in counts.most_common():
            sys.stdout.write(f"{book:5} {count:5} {reason}\n")


if __name__ == "__main__":
    main()
