"""Names of types that many modules use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # quoted below, so that what needs no arrays need not import NumPy
    import numpy as np
    import numpy.typing as npt

PathLike = str | os.PathLike[str]
Tensor = Any  # Paddle's, or a NumPy array where a function takes either: Paddle has no types of its own
Array: TypeAlias = "npt.NDArray[Any]"
Arrays: TypeAlias = "dict[str, npt.NDArray[Any]]"  # by the names of parameters, say
Bools: TypeAlias = "npt.NDArray[np.bool_]"
Floats: TypeAlias = "npt.NDArray[np.float64]"
Ids: TypeAlias = "npt.NDArray[np.int64]"
