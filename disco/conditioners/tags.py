"""Tags such as genre, key or instrument, as vectors to attend to."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from disco.core.batch import Conditions
from disco.core.contracts import Conditioner, Context
from disco.core.ranges import PositiveInt


class Tags(Conditioner):
    """One vector per tag out of a table; what is unsaid or outside the vocabulary reads the row "unknown".

    Args:
        vocabularies: the values of each tag; tags that stand here and not in the data are unknown.
    """

    def __init__(self, *, width: PositiveInt, vocabularies: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.index = {
            name: {value: row for row, value in enumerate(values, 1)} for name, values in vocabularies.items()
        }
        self.embeddings = nn.ModuleDict(
            {name: nn.Embedding(len(rows) + 1, width) for name, rows in self.index.items()}
        )
        for table in self.embeddings.values():
            nn.init.normal_(table.weight, std=width**-0.5)  # type: ignore[arg-type]

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return one vector per tag; all of them count."""
        said = []
        for name, table in self.embeddings.items():
            values = conditions.tags.get(name, (None,) * len(conditions))
            rows = [self.index[name].get(value, 0) if value is not None else 0 for value in values]
            said.append(table(torch.tensor(rows).to(next(table.parameters()).device)))
        return Context(cross=torch.stack(said, 1))
