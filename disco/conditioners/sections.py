"""The form of a piece on the frame grid: each frame is told in which section it lies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from disco.conditioners.listener import Listener, middles
from disco.conditioners.timeline import parse_timeline
from disco.core.batch import Conditions
from disco.core.contracts import Context
from disco.core.given import Labels
from disco.core.ranges import PositiveInt, Share
from disco.errors import DiscoError


class SectionFrames(Listener):
    """Adds a vector to every frame: that of its section, and of how far in it is.

    Names outside of the vocabulary are unknown while training. At generation it is given as
    `sections="A:16 A:16 B:16"`, in quarter notes.

    Args:
        names: of the sections.
        steps: into how many parts a section is divided, to tell how far in a frame is.
    """

    hears = "sections"

    def __init__(
        self, *, width: PositiveInt, names: Sequence[str], steps: PositiveInt, dropout: Share
    ) -> None:
        super().__init__(dropout=dropout)
        self.index = {name: row for row, name in enumerate(names, 1)}
        self.steps = steps
        self.section_embedding = nn.Embedding(len(self.index) + 1, width)
        self.place_embedding = nn.Embedding(steps + 1, width)
        for table in (self.section_embedding, self.place_embedding):
            nn.init.normal_(table.weight, std=width**-0.5)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return a vector per frame, to be added; row 0 of each table where nothing is known."""
        moments = middles(frames, frame_rate).tolist()
        nowhere = [(0, 0)] * frames
        rows = [
            nowhere if labels is None else [self._place(labels, moment) for moment in moments]
            for labels in self.heard(conditions)
        ]
        section, place = torch.tensor(rows, device=self.section_embedding.weight.device).unbind(-1)
        return Context(added=self.section_embedding(section) + self.place_embedding(place))

    def _place(self, labels: Labels, moment: float) -> tuple[int, int]:
        found = labels.span(moment)
        if found is None:
            return 0, 0
        name, start, end = found
        step = int((moment - start) / (end - start) * self.steps)
        return self.index.get(name, 0), 1 + min(step, self.steps - 1)

    def understand(self, words: str, *, tempo_bpm: float) -> Labels:
        """Read sections, each with its length in quarter notes.

        Raises:
            DiscoError: a name that this model was not told in training.
        """
        labels = parse_timeline(words, tempo_bpm=tempo_bpm, what="sections")
        for name in labels.names:
            if name not in self.index:
                raise DiscoError(
                    f"sections: this model knows no section '{name}'",
                    do=f"choose from {', '.join(self.index)}",
                )
        return labels
