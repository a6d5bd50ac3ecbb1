"""Sound and pictures inside a page: data URIs that need no file beside it and no network."""

import base64
import io

import numpy as np
import soundfile

from disco.audio.clip import Clip
from disco.errors import DiscoError

PAGE_RATES = (32000, 24000, 22050, 16000)  # Hz that MP3 knows, and that suffice for listening
_BLOCK = 16_384  # frames per write; long writes of lossy formats have crashed libsndfile


def data_uri(kind: str, content: bytes) -> str:
    """Write bytes as an address: `data_uri("audio/mpeg", …)`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def mp3(clip: Clip) -> bytes:
    """Pack a clip as mono MP3, the one lossy format that every browser plays; about 5 to 10 kB per second.

    Samples beyond full scale are cut, as any player would cut them.

    Raises:
        DiscoError: the clip is empty or holds samples that are not finite.
    """
    rate = next((rate for rate in PAGE_RATES if rate <= clip.rate), PAGE_RATES[-1])
    wave = clip.mono().resampled(rate).wave[0].detach().cpu().float().numpy()
    if not len(wave) or not np.isfinite(wave).all():
        raise DiscoError(
            "a clip for the page is empty or not finite", do="leave it out and say so on the page"
        )
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", rate, 1, format="MP3", compression_level=0.1, bitrate_mode="VARIABLE"
    ) as file:
        for first in range(0, len(wave), _BLOCK):
            file.write(np.clip(wave[first : first + _BLOCK], -1.0, 1.0))
    return stream.getvalue()
