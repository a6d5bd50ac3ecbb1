"""Which item of a list the checks of annotations look at is drawn apart from the global random numbers.

Otherwise a check in a thread, such as the one that writes checkpoints, would move those while a property test
compares them. Imported before anything of `disco`.
"""

from __future__ import annotations

import random

from beartype._check.code import codemain

codemain.getrandbits = random.Random(0).getrandbits
