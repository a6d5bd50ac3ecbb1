"""How far two lists of notes agree, for judging transcriptions and generated scores."""

from dataclasses import dataclass

import mir_eval
import numpy as np

from disco.midi.score import NoteTable


@dataclass(frozen=True)
class NoteAgreement:
    """Precision, recall and their harmonic mean, each 0 to 1."""

    precision: float
    recall: float
    f1: float


def onset_agreement(reference: NoteTable, estimate: NoteTable, *, tolerance: float = 0.05) -> NoteAgreement:
    """Match notes of equal pitch (within half a semitone) whose onsets lie within `tolerance` seconds.

    Offsets and drums do not count. Two empty lists agree fully, an empty and a filled one not at all.
    The measure is `mir_eval.transcription` without offsets.
    """
    reference, estimate = (table.where(~table.is_drum) for table in (reference, estimate))
    if not len(reference) or not len(estimate):
        agreement = float(len(reference) == len(estimate))
        return NoteAgreement(agreement, agreement, agreement)
    precision, recall, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(
        *_intervals(reference),
        *_intervals(estimate),
        onset_tolerance=tolerance,
        offset_ratio=None,  # pyright: ignore[reportArgumentType]
    )
    return NoteAgreement(float(precision), float(recall), float(f1))


def _intervals(table: NoteTable) -> tuple[np.ndarray, np.ndarray]:
    offset = np.maximum(table.offset, table.onset + 1e-3)  # mir_eval refuses notes without length
    return np.stack([np.maximum(table.onset, 0.0), offset], axis=1), 440.0 * 2 ** ((table.pitch - 69) / 12)
