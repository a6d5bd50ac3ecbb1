"""What is wrong with a sound file, with a word that tables count by."""

from __future__ import annotations

from typing import Literal

from disco.errors import DiscoError


class BadAudio(DiscoError):  # noqa: N818 (a fault of a file; what is raised is still a DiscoError)
    """A fault of one sound file, in the words of a preparation's report.

    Args:
        code: `not_regular`, `unreadable`, `missing_extra`, `empty`, `truncated`, `damaged`, `too_short`,
            `non_finite`, `absurd_level`, `odd_rate`, `odd_channels` or `long_tags`.
        message: what is wrong, without the file's name.
        do: what its owner can do.
        verdict: `refuse` leaves the file out, `warn` only tells.
    """

    def __init__(
        self, code: str, message: str, *, do: str, verdict: Literal["refuse", "warn"] = "refuse"
    ) -> None:
        super().__init__(message, do=do)
        self.code = code
        self.verdict: Literal["refuse", "warn"] = verdict

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip out of a worker process."""
        return _rebuild, (self.code, self.message, self.do, self.verdict)


def _rebuild(code: str, message: str, do: str, verdict: Literal["refuse", "warn"]) -> BadAudio:
    return BadAudio(code, message, do=do, verdict=verdict)
