"""Captions, read by a frozen text encoder and offered for attention."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from disco.conditioners.caption_cache import CaptionCache, Fingerprinted
from disco.core.batch import Conditions
from disco.core.contracts import Conditioner, Context
from disco.core.files import file_hash
from disco.core.ranges import PositiveInt
from disco.core.wordings import HEARD_AS, Wordings, blend
from disco.errors import DiscoError
from disco.nets.soft_prompt import Prompt


@runtime_checkable
class Encoder(Protocol):
    """A frozen reader of captions; `width` is that of its vectors."""

    width: int

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return a vector per word piece."""
        ...


class Text(Conditioner):
    """Projects what a frozen encoder reads to the model's width; an item without a caption says nothing.

    The encoder is no part of the model: it is neither trained, nor moved to its device, nor saved. Each
    caption is read once and kept in memory, or, after `read_ahead`, found on the disk in every later run.
    """

    reads = ("caption",)

    def __init__(self, *, width: PositiveInt, encoder: Encoder) -> None:
        super().__init__()
        self.project = nn.Linear(encoder.width, width)
        self._reader = _Reader(encoder)
        self.prompt: Prompt | None = None  # where an adapter speaks

    @property
    def read_width(self) -> int:
        """Width of what the encoder says."""
        return self.project.in_features

    @property
    def encoder(self) -> Encoder:
        """The frozen reader."""
        return self._reader.encoder

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return what the encoder says to a caption, a vector per word piece."""
        return self._reader.read(caption)

    def read_ahead(
        self,
        folder: Path,
        captions: Iterable[str | None],
        report: Callable[..., None] = lambda *_, **__: None,
    ) -> int:
        """Have what the encoder says to captions on the disk, and look there first; return how many were new.

        Args:
            folder: of the data set's caches.
            captions: None and empty ones say nothing, and nobody is asked.
            report: hears how many of how many are there.
        """
        encoder = self._reader.encoder
        if not isinstance(encoder, Fingerprinted):
            return 0
        self._reader.cache = CaptionCache(folder, encoder)
        return self._reader.cache.fill((one for one in captions if one and one.strip()), report)

    def forward(self, conditions: Conditions, frames: int, frame_rate: float) -> Context:
        """Return the word pieces of each caption, padded; the mask tells which are real."""
        read = [self._hear(*item) for item in zip(conditions.text, self._wordings(conditions), strict=True)]
        longest = max([1, *(len(one) for one in read)])
        place = self.project.weight.device
        padded = torch.zeros(len(read), longest, self.project.in_features)
        mask = torch.zeros(len(read), longest, dtype=torch.bool)
        for row, one in enumerate(read):
            padded[row, : len(one)] = one
            mask[row, : len(one)] = True
        vectors, mask = padded.to(place), mask.to(place)
        if self.prompt is not None:
            vectors, mask = self.prompt(vectors, mask)
        return Context(cross=self.project(vectors) * mask[..., None], cross_mask=mask)

    def _hear(self, caption: str | None, wordings: Wordings | None) -> Float[Tensor, "n e"]:
        """Return what the encoder says to a caption, or the mean of what it says to its wordings."""
        if wordings is None:
            return self._reader.read(caption)
        return blend([self._reader.read(text) for text in wordings.texts], wordings.shares)

    @staticmethod
    def _wordings(conditions: Conditions) -> list[Wordings | None]:
        given = conditions.given.get(HEARD_AS, (None,) * len(conditions))
        return [one if isinstance(one, Wordings) else None for one in given]


class _Reader:
    """Remembers captions; a plain object, so that the encoder is not registered as a submodule."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.known: dict[str, Tensor] = {}
        self.cache: CaptionCache | None = None

    def read(self, caption: str | None) -> Float[Tensor, "n e"]:
        if caption is None or not caption.strip():
            return torch.zeros(0, self.encoder.width)
        kept = None if self.cache is None else self.cache.read(caption)
        if kept is not None:
            return kept
        if caption not in self.known:
            self.known[caption] = self.encoder.read(caption).detach().float().cpu()
        return self.known[caption]


class Pretrained:
    """T5 or another text encoder of `transformers`, from a local folder or by its name on the hub.

    Args:
        name: folder or name; loaded when the first caption is read.
        width: of the encoder's vectors, 768 for t5-base.
        max_tokens: longer captions are cut.
    """

    def __init__(self, *, name: str, width: PositiveInt, max_tokens: PositiveInt) -> None:
        self.name = name
        self.width = width
        self.max_tokens = max_tokens
        self._loaded: tuple[Any, Any] | None = None

    def fingerprint(self) -> str:
        """Return what its answers depend on: the files of the encoder, and how long captions may be.

        Raises:
            DiscoError: the encoder is not there.
        """
        from transformers.utils.hub import cached_file

        try:
            folder = Path(str(cached_file(self.name, "config.json"))).parent
        except (OSError, ValueError) as error:
            raise self._missing(error) from error
        if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            self._loaded = self._load()  # which fetches the rest
        hashes = [f"{path.name}:{file_hash(path)}" for path in sorted(folder.iterdir()) if path.is_file()]
        return f"{hashlib.sha256(repr(hashes).encode()).hexdigest()}/{self.max_tokens}"

    def read(self, caption: str) -> Float[Tensor, "n e"]:
        """Return a vector per word piece, the end mark included."""
        tokenizer, network = self.parts()
        words = tokenizer(caption, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return network(**words).last_hidden_state[0]

    def parts(self) -> tuple[Any, Any]:
        """Return tokenizer and network, read from the disk once."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoConfig, AutoModel, AutoTokenizer, T5EncoderModel

        try:
            config = AutoConfig.from_pretrained(self.name)
            kind = T5EncoderModel if config.model_type in ("t5", "mt5") else AutoModel
            network = (
                kind.from_pretrained(self.name, use_safetensors=True)
                .eval()
                .requires_grad_(requires_grad=False)
            )
            tokenizer = AutoTokenizer.from_pretrained(self.name)
        except (OSError, ValueError) as error:
            raise self._missing(error) from error
        if config.hidden_size != self.width:
            raise DiscoError(
                f"the text encoder {self.name} is {config.hidden_size} wide, not {self.width}",
                do=f"set its width to {config.hidden_size}",
            )
        return tokenizer, network

    def _missing(self, error: Exception) -> DiscoError:
        return DiscoError(
            f"the text encoder {self.name} cannot be loaded: {str(error).splitlines()[0]}",
            do="give the path of a folder that holds it, or conditioner=[text], which needs no download",
        )
