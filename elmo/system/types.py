"""Names of types that many modules use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # quoted below, so that what needs no arrays need not import NumPy
    import numpy as np
    import numpy.typing as npt

PathLike = str | os.PathLike[str]
Tensor = Any  # Paddle's, or a NumPy array where a function takes either: Paddle has no types of its own
Array: TypeAlias = "npt.NDArray[Any]"
Arrays: TypeAlias = "dict[str, npt.NDArray[Any]]"  # by the names of parameters, say
Bools: TypeAlias = "npt.NDArray[np.bool_]"
Counts: TypeAlias = "npt.NDArray[np.int64]"
Floats: TypeAlias = "npt.NDArray[np.float64]"
Ids: TypeAlias = "npt.NDArray[np.int64]"
Record = dict[str, Any]  # of what was measured, as a results file has it
Sentence = str | Sequence[str]  # a text, or its words
Shape = tuple[int, ...]
Vectors: TypeAlias = "npt.NDArray[np.floating[Any]]"  # of words or sentences
