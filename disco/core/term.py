"""The objective: a sum of terms, each of which says what it needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from disco.core.batch import Batch
from disco.core.outputs import Outputs
from disco.errors import DiscoError


class Term(nn.Module, ABC):
    """One summand of the objective.

    Attributes:
        needs: the slots of `Outputs` that it reads.
        spares: those of them that it does without where `nats` is filled in.
        weight: its factor in the sum.
    """

    needs: ClassVar[frozenset[str]]
    spares: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    @abstractmethod
    def forward(self, out: Outputs, batch: Batch) -> Float[Tensor, ""]:
        """Return the unweighted value, averaged over whatever counts."""


class Critic(Term):
    """A term that learns too: a discriminator with its own loss and its own optimiser."""

    @abstractmethod
    def own_loss(self, out: Outputs) -> Float[Tensor, ""]:
        """Return what the critic itself minimises; the model's gradient is cut."""


class Objective(nn.Module):
    """The weighted sum of named terms."""

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(dict(terms))

    def forward(self, out: Outputs, batch: Batch) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the total and the unweighted value of each term."""
        parts = {name: term(out, batch) for name, term in self.named_terms().items()}
        weights = {name: term.weight for name, term in self.named_terms().items()}
        total = sum(weights[name] * value for name, value in parts.items())
        assert isinstance(total, Tensor), "check_needs lets no objective without terms pass"
        return total, {name: value.detach() for name, value in parts.items()}

    def named_terms(self) -> dict[str, Term]:
        """Return the terms by name, typed."""
        return {name: term for name, term in self.terms.items() if isinstance(term, Term)}

    def reads(self, slot: str) -> bool:
        """Return whether a term needs a slot even where `nats` is filled in."""
        return any(slot in term.needs - term.spares for term in self.named_terms().values())

    @property
    def critics(self) -> list[Critic]:
        """The terms that learn."""
        return [term for term in self.terms.values() if isinstance(term, Critic)]


def check_needs(terms: Mapping[str, Term], offers: frozenset[str], model: str) -> None:
    """Refuse a loss that reads what the model does not fill in.

    Raises:
        DiscoError: no terms at all, or a slot is missing; names the losses that would do.
    """
    if not terms:
        raise DiscoError(f"model={model} has no loss", do="name one, for example loss=[token_ce]")
    for name, term in terms.items():
        if missing := sorted(term.needs - offers):
            raise DiscoError(
                f"loss={name} needs {', '.join(missing)}; model={model} offers {', '.join(sorted(offers))}",
                do=f"leave {name} out of loss=[…] or choose a model that offers it",
            )
