"""The one error that users see: what is wrong, where, and what to do about it."""


class DiscoError(Exception):
    """Tell a user what went wrong and what to do.

    Args:
        message: what is wrong and where, without a full stop.
        do: the next step, as an imperative: "rerun prepare with seconds=5".
    """

    def __init__(self, message: str, *, do: str = "") -> None:
        super().__init__(message, do)
        self.message = message
        self.do = do

    def __str__(self) -> str:
        return f"{self.message}; {self.do}" if self.do else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip out of a worker process, keyword and all."""
        return _rebuild, (type(self), self.message, self.do)


def _rebuild(kind: type[DiscoError], message: str, do: str) -> DiscoError:
    return kind(message, do=do)
