"""Pictures from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from disco.core.given import Picture
from disco.errors import DiscoError

MOST_PIXELS = 64_000_000  # of one picture: more is a mistake or an attack


def read_picture(path: str | Path) -> Picture:
    """Read a PNG, JPEG or other picture.

    Raises:
        DiscoError: there is none, or it is damaged or too large.
    """
    from PIL import Image, UnidentifiedImageError  # Pillow comes with matplotlib

    if not Path(path).is_file():
        raise DiscoError(f"{path} is not a picture that exists", do="check the path")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DiscoError(f"{path} has more than {MOST_PIXELS:,} pixels", do="make it smaller")
            colours = np.asarray(image.convert("RGB"), np.float32) / 255.0
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DiscoError(f"{path} cannot be read as a picture: {error}", do="save it as PNG again") from error
    return Picture(torch.from_numpy(colours).permute(2, 0, 1).contiguous())
