"""The codecs of activations by name."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from emulator.activation.codec import Codec
from emulator.activation.dense import Bfloat16, Float, Int4, Int8
from emulator.activation.sparse import TopK, WithOutliers

# The position of a codec is its number in messages: new ones go to the end.
CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "fp32": Float(np.dtype("<f4")),
        "fp16": Float(np.dtype("<f2")),
        "int8": Int8(),
        "bf16": Bfloat16(),
        "int4": Int4(),
        "topk10": TopK(10),
        "int8+outliers": WithOutliers(Int8()),
        "int4+outliers": WithOutliers(Int4()),
    }
)


def codec(name: str) -> Codec:
    """Return the codec of a name. Raises ValueError for a name that is none's."""
    if name not in CODECS:
        raise ValueError(f"codec={name}: must be one of {', '.join(CODECS)}")
    return CODECS[name]
