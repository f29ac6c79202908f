"""Images of tasks: those of a data set, or of a folder."""

from pathlib import Path

from emulator.workload import Images
from topologies.datasets.image_folder import image_files, images_sha256
from topologies.datasets.task_images import COUNTS
from topologies.schema.workloads import ImagesSection


def images_of(section: ImagesSection, folder: Path) -> Images:
    """Return the images that tasks choose from; a relative path starts from `folder`.

    Raises ValueError, one line, as `image_files`, and for files with another SHA-256 than the section's.
    """
    if section.dataset is not None:
        return Images(section.dataset, COUNTS[section.dataset])
    files = image_files(folder / (section.folder or ""))
    if section.sha256 is not None and section.sha256 != (digest := images_sha256(files)):
        raise ValueError(f"sha256={section.sha256}: must be that of the images, {digest}")
    return Images("", len(files), tuple(str(path.absolute()) for path in files))
