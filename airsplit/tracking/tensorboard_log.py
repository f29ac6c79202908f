"""Logs for TensorBoard, by tensorboardX (the extra `tracking`)."""

from math import isfinite
from pathlib import Path

from airsplit.tracking.tracked import Tracked


def log_to_tensorboard(folder: Path, tracked: Tracked) -> None:
    """Write finished work as event files into a folder of its name: settings and tags as text, metrics as scalars,
    figures (PNG) as images. Raises OSError if they cannot be written."""
    import numpy as np
    from PIL import Image
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder / tracked.name)) as writer:
        for title, values in (("settings", tracked.settings), ("facts", tracked.tags)):
            writer.add_text(title, "\n".join(f"    {name}: {value}" for name, value in values.items()))
        for metric in tracked.metrics:
            if isfinite(metric.value):
                writer.add_scalar(metric.name, metric.value, metric.step)
        for place, paths in tracked.files.items():
            for path in paths:
                if path.suffix == ".png":
                    with Image.open(path) as image:
                        writer.add_image(f"{place}/{path.stem}", np.asarray(image.convert("RGB")), dataformats="HWC")
