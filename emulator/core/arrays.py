"""Arrays by the type of their numbers; shapes are told where they are used."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]
