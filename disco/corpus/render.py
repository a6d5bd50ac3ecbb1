"""Turn the demo corpus into a data set of rendered sound in the layout that every data set here has.

The same settings give the same files. More hours keep every clip of fewer hours, and what is rendered
already is not rendered again.
"""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from disco.audio.wavefile import write_wave
from disco.corpus.captions import caption
from disco.corpus.instruments import DEFAULT_FOUR_PART, DEFAULT_SOLO
from disco.corpus.plan import BOOKS, SHARES, TAIL, Take, plan_takes, take_midi
from disco.drafts import drafted
from disco.midi.score import score_from_bytes
from disco.midi.soundfont import soundfont_bytes, synthesise, synthesiser_identity

PEAK = 0.7  # 3 dB of headroom
_FADE = 0.02  # seconds, so that the end of a long ring does not click
_SOURCES = {"ryan": "Ryan's Mammoth Collection", "bach": "Bach chorales"}
_JOBS_WORTH_A_POOL = 8  # starting two processes takes as long as rendering about eight clips


@dataclass(frozen=True)
class DemoReport:
    """What a build left behind; seconds by split."""

    manifest: Path
    num_clips: int
    num_rendered: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Job:
    midi: bytes
    path: Path
    rate: int
    channels: int
    num_samples: int


def build_demo(  # noqa: PLR0913 - the one function that names every setting of the data set
    root: Path,
    *,
    hours: float | None,
    seed: int,
    rate: int = 32000,
    channels: int = 1,
    tempo_bpm: float = 120.0,
    books: Sequence[str] = BOOKS,
    instruments: Sequence[str] = DEFAULT_SOLO,
    ensembles: Sequence[str] = DEFAULT_FOUR_PART,
    max_seconds: float | None = None,
    num_workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> DemoReport:
    """Render the demo corpus into `root` and write `metadata/manifest.jsonl`.

    Args:
        root: the data set's folder; made if missing, kept if not.
        hours: how much sound, to the nearest clip above; None for every piece at least once and at
            least 10 hours.
        seed: draws instruments, captions and the order of pieces.
        rate: Hz of the clips.
        channels: 1 or 2.
        tempo_bpm: quarter notes per minute of every clip.
        books: `ryan` (fiddle tunes), `bach` (chorales).
        instruments: for fiddle tunes, names from `disco.corpus.instruments.SOLO`.
        ensembles: for chorales, names from `disco.corpus.instruments.FOUR_PART`.
        max_seconds: longer pieces end at the last bar line that fits, ring included.
        num_workers: processes of one thread each; 0 renders in this one.
        on_progress: called with the number of clips rendered and to render.

    Raises:
        DiscoError: unknown books or instruments, or more hours than the corpus gives.
    """
    takes = plan_takes(
        hours=hours,
        seed=seed,
        tempo_bpm=tempo_bpm,
        books=books,
        instruments=instruments,
        ensembles=ensembles,
        max_seconds=max_seconds,
    )
    jobs: dict[Path, _Job] = {}
    records = []
    for take in takes:
        midi = take_midi(take, tempo_bpm)
        midi_path = root / "midi" / "raw" / f"{take.id}.mid"
        _write_if_new(midi_path, midi)
        job = _job(root, midi, take, rate, channels)
        jobs[job.path] = job
        records.append(_record(take, job, root, tempo_bpm, seed))
    missing = [job for job in jobs.values() if not job.path.exists()]
    _render_all(missing, num_workers, on_progress)
    manifest = root / "metadata" / "manifest.jsonl"
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    _write_if_new(manifest, text.encode())
    seconds = dict.fromkeys(SHARES, 0.0)
    for take in takes:
        seconds[take.tune.split] += take.seconds
    return DemoReport(manifest, len(takes), len(missing), seconds)


def _job(root: Path, midi: bytes, take: Take, rate: int, channels: int) -> _Job:
    how = f"{rate} {channels} {TAIL} {PEAK} {_FADE} {take.seconds:.4f} {synthesiser_identity()}"
    name = sha256(how.encode() + midi).hexdigest()[:24]
    path = root / "audio" / "processed" / f"{name}.wav"
    return _Job(midi, path, rate, channels, round(take.seconds * rate))


def _record(take: Take, job: _Job, root: Path, tempo_bpm: float, seed: int) -> dict[str, Any]:
    tune = take.tune
    return {
        "id": take.id,
        "file_path": job.path.relative_to(root).as_posix(),
        "duration": round(job.num_samples / job.rate, 4),
        "sample_rate": job.rate,
        "channels": job.channels,
        "genre": [tune.rhythm],
        "instruments": list(take.ensemble.parts),
        "tempo": tempo_bpm,
        "key": tune.key,
        "mood": [],
        "year": None,
        "source": _SOURCES[tune.book],
        "split": tune.split,
        "features": {},
        "title": tune.title,
        "caption": caption(tune, take.ensemble, tempo_bpm, seed=seed, take=take.number),
        "midi_path": f"midi/raw/{take.id}.mid",
        "metre": tune.metre,
        "book": tune.book,
        "group": tune.group,
        "pickup_beats": tune.pickup_beats,
    }


def _render_all(jobs: list[_Job], num_workers: int, on_progress: Callable[[int, int], None] | None) -> None:
    report = on_progress or (lambda done, total: None)
    if jobs:
        soundfont_bytes()  # a missing soundfont is better told here than by each worker
    if num_workers < 1 or len(jobs) < _JOBS_WORTH_A_POOL:
        for done, job in enumerate(jobs, 1):
            _render_job(job)
            report(done, len(jobs))
        return
    jobs = sorted(jobs, key=lambda job: -job.num_samples)  # long ones first, so that workers end together
    context = multiprocessing.get_context("spawn")  # a forked child would inherit the parent's thread pools
    with ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        try:
            for done, future in enumerate(as_completed([pool.submit(_render_job, job) for job in jobs]), 1):
                future.result()
                report(done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _render_job(job: _Job) -> None:
    score = score_from_bytes(job.midi, name=job.path.name)
    wave = synthesise(score, job.rate, job.channels, tail=TAIL, peak=PEAK)
    fitted = np.zeros((job.channels, job.num_samples), dtype=np.float32)
    length = min(wave.shape[1], job.num_samples)
    fitted[:, :length] = wave[:, :length]
    fade = round(_FADE * job.rate)
    fitted[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    write_wave(job.path, fitted, job.rate)


def _write_if_new(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and leave an equal one alone."""
    if path.exists() and path.read_bytes() == content:
        return
    with drafted(path) as draft:
        draft.write_bytes(content)
