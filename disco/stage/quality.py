"""Says what is wrong with a recording: one code per defect, and whether it is refused for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from disco.audio.defects import Defects, judge
from disco.audio.watch import Watch
from disco.core.ranges import PositiveFloat, Share
from disco.core.stage import Notes, Problem, Stage, Tap
from disco.errors import DiscoError

REASONS = {
    "silent": ("there is nothing to hear (peak {peak_db:.0f} dBFS)", "leave it out"),
    "too_quiet": ("it is very soft (loud parts at {loud_db:.0f} dBFS)", "export it louder, from 24 bits"),
    "clipping": (
        "{clipped_share:.3%} of its samples are cut off at full scale",
        "take a master of lower level",
    ),
    "dc_offset": ("it does not swing around zero (offset {dc_offset:.3f})", "filter below 20 Hz away"),
    "hum": ("mains hum stands out ({hum_db:.0f} dBFS)", "filter it away, or take another recording"),
    "bandwidth": (
        "its spectrum ends at {bandwidth_share:.0%} of what its rate could carry, as a lossy or resampled "
        "copy's does",
        "find the original",
    ),
    "noise": (
        "steady noise is only {snr_db:.0f} dB below the sound",
        "add denoise, or take another recording",
    ),
    "mono_as_stereo": ("both channels are the same", "save it as mono, or leave it as it is"),
    "inverted_phase": (
        "one channel is the other turned over (correlation {correlation:.2f}): a mix to mono is silent",
        "turn one channel over",
    ),
}


class Quality(Stage):
    """Watches samples as they are where the stage stands: before `standardize`, those of the file.

    Whatever is found goes into the record's features as `snr_db`, `noise_floor_db`, `bandwidth_share`
    and `clipped_share`, defect or not.

    Args:
        clipped_share: of samples in runs of three or more at full scale, more is `clipping`.
        dc_offset: a mean further than this from zero is `dc_offset`; full scale is 1.
        hum_db: louder mains hum, in dBFS, is `hum`.
        bandwidth_share: a spectrum that ends at a cliff below this share of half the rate is `bandwidth`.
        silent_db: a lower peak, in dBFS, is `silent`, and nothing else is said.
        quiet_db: lower loud parts (95th percentile of the level), in dBFS, are `too_quiet`.
        snr_db: sound less far above steady noise is `noise`.
        side_db: channels that differ less, in decibels below their energy, are `mono_as_stereo`.
        correlation: channels that correlate below minus this are `inverted_phase`.
        verdicts: `refuse`, `warn` or `ignore` for every code.
    """

    def __init__(
        self,
        *,
        clipped_share: Share,
        dc_offset: Share,
        hum_db: float,
        bandwidth_share: Share,
        silent_db: float,
        quiet_db: float,
        snr_db: PositiveFloat,
        side_db: float,
        correlation: Share,
        verdicts: Mapping[str, str],
    ) -> None:
        self.clipped_share = clipped_share
        self.dc_offset = dc_offset
        self.hum_db = hum_db
        self.bandwidth_share = bandwidth_share
        self.silent_db = silent_db
        self.quiet_db = quiet_db
        self.snr_db = snr_db
        self.side_db = side_db
        self.correlation = correlation
        self.verdicts = dict(verdicts)
        for code in REASONS:
            if self.verdicts.get(code) not in ("refuse", "warn", "ignore"):
                raise DiscoError(
                    f"quality.verdicts.{code} is {self.verdicts.get(code)!r}", do="use refuse, warn or ignore"
                )
        unknown = sorted(set(self.verdicts) - set(REASONS))
        if unknown:
            raise DiscoError(
                f"quality.verdicts has no code {', '.join(unknown)}", do=f"use {', '.join(REASONS)}"
            )

    def open(self, notes: Notes) -> Tap:
        """Watch the stream, and note what was found at its end."""
        return _Tap(self, notes)

    def tell(self, notes: Notes, found: Defects) -> None:
        """Note the measures, and a problem for each defect."""
        notes.features |= {
            "snr_db": round(found.snr_db, 1),
            "noise_floor_db": round(found.floor_db, 1),
            "bandwidth_share": round(found.bandwidth_share, 3),
            "clipped_share": round(found.clipped_share, 6),
        }
        told = {problem.code for problem in notes.problems}
        for code in self.codes(found):
            if code in told:
                continue
            verdict = self.verdicts[code]
            if verdict == "refuse" or verdict == "warn":
                reason, cure = REASONS[code]
                notes.problems.append(Problem(code, reason.format(**vars(found)), cure, verdict))

    def codes(self, found: Defects) -> list[str]:
        """Name the defects among the measures."""
        if found.peak_db < self.silent_db:
            return ["silent"]
        holds = {
            "too_quiet": found.loud_db < self.quiet_db,
            "clipping": found.clipped_share > self.clipped_share,
            "dc_offset": found.dc_offset > self.dc_offset,
            "hum": found.hum_db > self.hum_db,
            "bandwidth": found.bandwidth_share < self.bandwidth_share,
            "noise": found.snr_db < self.snr_db,
            "mono_as_stereo": found.side_db is not None and found.side_db < self.side_db,
            "inverted_phase": found.correlation is not None and found.correlation < -self.correlation,
        }
        return [code for code, is_so in holds.items() if is_so]


class _Tap:
    """Lets the stream pass."""

    def __init__(self, stage: Quality, notes: Notes) -> None:
        self.stage, self.notes, self.channels = stage, notes, notes.channels
        self.watch = Watch(rate=notes.rate, channels=notes.channels)

    def push(self, block: Float[np.ndarray, "c t"]) -> Float[np.ndarray, "c t"]:
        self.watch.push(block)
        return block

    def flush(self) -> Float[np.ndarray, "c 0"]:
        self.stage.tell(self.notes, judge(self.watch.finish()))
        return np.zeros((self.channels, 0), np.float32)
