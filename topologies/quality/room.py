"""What a measurement takes of the memory, so that one that cannot fit says so before it begins."""

from collections.abc import Iterable

from emulator.core.errors import MissingDependency
from emulator.core.memory import available_bytes, gb_text
from topologies.models.chain import ModelPlan
from topologies.models.profiling import profile_of
from topologies.quality.data import CALIBRATION_IMAGES, CALIBRATION_TOKENS, SampleSize

SCALAR_BYTES = 4
COPIES = 2  # of one cut's activations: received ones beside the unharmed, or batches before they are one tensor


def activation_bytes(plan: ModelPlan, cuts: Iterable[int], size: SampleSize) -> int:
    """Return about how much memory a measurement takes: the activations of all windows or images at all cuts, those
    that calibrate, and copies of the largest."""
    layers = profile_of(plan).layers
    elements = [layers[cut - 1].activation_elements for cut in cuts]  # of a token, or of an image
    is_language = plan.family == "causal_lm"
    scored = size.seeds * size.units * (size.window_tokens if is_language else size.group_images)
    calibrating = CALIBRATION_TOKENS if is_language else CALIBRATION_IMAGES
    return SCALAR_BYTES * (sum(elements) * (scored + calibrating) + COPIES * max(elements) * scored)


def require_memory(plan: ModelPlan, cuts: Iterable[int], size: SampleSize) -> None:
    """Raise MissingDependency, one line, unless the memory suffices for a measurement."""
    needed, available = activation_bytes(plan, cuts, size), available_bytes()
    if needed > available:
        units = f"{size.window_tokens} tokens" if plan.family == "causal_lm" else f"{size.group_images} images"
        raise MissingDependency(
            f"--seeds {size.seeds} x --units {size.units} of {units}: about {gb_text(needed)} of memory are needed for"
            f" the activations of {plan.name}, and {gb_text(available)} are available; choose fewer of them, or cuts"
        )
