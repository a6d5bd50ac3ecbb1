"""Disco Musica: train, adapt, evaluate and listen to music models."""

from disco import torchaudio_guard as _guard  # noqa: F401
