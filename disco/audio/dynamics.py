"""Where the sound in a recording begins and ends."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

_DIP = 0.05  # seconds: a shorter dip below the closing level does not end the sound


class Levels:
    """Level of a stream in steps of `hop` frames: root mean square of all channels.

    How the stream is cut into blocks changes nothing; the last step may be shorter.
    """

    def __init__(self, *, hop: int, channels: int) -> None:
        self.hop = hop
        self._size = hop * channels  # values of a step
        self._power: list[Float[np.ndarray, " f"]] = []
        self._begun = np.float32(0.0)  # energy of the step that is not full,
        self._held = 0  # and how many values it has

    def push(self, block: Float[np.ndarray, "c t"]) -> None:
        """Take a block."""
        flat = np.ascontiguousarray(block.T).reshape(-1)
        power = np.empty((self._held + flat.size) // self._size, np.float32)
        self._begun = np.float32(_add_power(flat, self._size, self._held, self._begun, power))
        self._held = (self._held + flat.size) % self._size
        self._power.append(power)

    def in_db(self) -> Float[np.ndarray, " f"]:
        """Return the level of every step in dB of full scale, -inf for silence."""
        begun = np.array([self._begun / self._held] if self._held else [], np.float32)
        with np.errstate(divide="ignore"):
            level = np.concatenate([*self._power, begun])
            np.log10(level, out=level)
            level *= 10
            return level


@njit(cache=True, fastmath=True)
@no_type_check
def _add_power(flat, size, held, begun, power):
    """Note the mean square of every `size` values that are full, and return the energy of the rest.

    `held` values of the first step came before; `begun` is their energy.
    """
    done = 0
    for step in range(len(power)):
        energy, edge = begun, done + size - held
        for i in range(done, edge):
            energy += flat[i] * flat[i]
        power[step] = energy / np.float32(size)
        done, held, begun = edge, 0, np.float32(0.0)
    for i in range(done, len(flat)):
        begun += flat[i] * flat[i]
    return begun


def find_sound(
    level_db: Float[np.ndarray, " f"], *, open_db: float, close_db: float, floor_db: float, dip: int
) -> tuple[int, int] | None:
    """Return the first step of the sound and the one after its last, None for silence.

    Sound is what comes within `open_db` of the loudest step, and all around it down to `close_db` below
    that step (and not below `floor_db`): a soft attack and the tail of a reverb belong to it, a hum or a
    breath apart from it does not. Dips of up to `dip` steps are crossed.
    """
    loudest = float(level_db.max(initial=-np.inf))
    if loudest < floor_db:
        return None
    opened = level_db >= max(loudest + open_db, floor_db)
    begun, ended = int(opened.argmax()), len(opened) - 1 - int(opened[::-1].argmax())
    audible = level_db >= max(loudest + close_db, floor_db)
    last = _reach(audible[ended:], dip) + ended
    first = begun - _reach(audible[: begun + 1][::-1], dip)
    return first, last + 1


def _reach(audible: np.ndarray, dip: int) -> int:
    """Return how far the sound goes on, from a step that is audible, over dips of up to `dip` steps."""
    heard = np.flatnonzero(audible)
    gaps = np.flatnonzero(np.diff(heard) > dip + 1)
    return int(heard[gaps[0]] if len(gaps) else heard[-1])


def kept_seconds(
    level_db: Float[np.ndarray, " f"],
    hop_seconds: float,
    *,
    open_db: float,
    close_db: float,
    floor_db: float,
    pre_roll: float,
    post_roll: float,
) -> tuple[float, float] | None:
    """Return the (start, end) of the sound in seconds with some room around it, None for silence."""
    dip = round(_DIP / hop_seconds)
    found = find_sound(level_db, open_db=open_db, close_db=close_db, floor_db=floor_db, dip=dip)
    if found is None:
        return None
    first, end = found
    length = len(level_db) * hop_seconds
    return max(0.0, first * hop_seconds - pre_roll), min(length, end * hop_seconds + post_roll)
