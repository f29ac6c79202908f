"""Images of a folder: which are chosen, what is read of them, what a run keeps, and what is refused in one line."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from emulator.core.errors import Mistakes
from emulator.workload import Images, TaskImage
from hil.task_inputs import input_image, require_images
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.build import build
from topologies.build.run_inputs import images_digests, input_files, resolved_yaml
from topologies.datasets.image_folder import image_files, images_sha256
from topologies.datasets.task_images import label_of, pixels_of
from topologies.loading.loader import load
from topologies.schema.scenario import Scenario

FOLDER: dict[str, Any] = {"folder": "pictures"}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with a scenario and three pictures of one colour each, of different sizes and formats."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (40, 60), (200, 10, 30)).save(pictures / "a.png")
    Image.new("L", (30, 30), 77).save(pictures / "b.png")
    Image.new("RGBA", (90, 20), (1, 2, 250, 255)).save(pictures / "c.webp", lossless=True)
    (pictures / ".hidden").write_text("no image")
    return tmp_path


def scenario_of(lab: Path, images: dict[str, Any], task: int = 0) -> Scenario:
    data = yaml.safe_load(GOOD)
    data["tasks"][task]["images"] = images
    (lab / "own.yaml").write_text(yaml.safe_dump(data))
    return load(lab / "own.yaml")


def test_tasks_have_the_images_of_the_folder(lab: Path) -> None:
    system = build(scenario_of(lab, FOLDER), lab)
    files = tuple(str(lab / "pictures" / name) for name in ("a.png", "b.png", "c.webp"))
    assert next(each for each in system.streams if each.kind.name == "image").images == Images("", 3, files)
    chosen = {input_image(system, task) for task in system.tasks() if task.kind.name == "image"}
    assert chosen == {TaskImage(file, number) for number, file in enumerate(files)}
    colours = [pixels_of(TaskImage(file, 0), 8) for file in files]
    expected = [(200, 10, 30), (77, 77, 77), (1, 2, 250)]
    assert all((pixels == colour).all() for pixels, colour in zip(colours, expected, strict=True))
    assert all(pixels.shape == (1, 8, 8, 3) for pixels in colours)
    assert label_of(TaskImage(files[0], 0)) is None
    require_images(system)


def test_the_middle_square_is_taken(lab: Path) -> None:
    """A picture of three columns, the outer ones black; resized by four, a pixel is a mean of its neighbourhood."""
    values = np.zeros((32, 96, 3), np.uint8)
    ramp = np.arange(32, dtype=np.uint8) * 7
    values[:, 32:64] = ramp[None, :, None]
    Image.fromarray(values).save(lab / "wide.png")
    whole = pixels_of(TaskImage(str(lab / "wide.png"), 0), 32)
    assert (whole[0] == values[:, 32:64]).all()
    small = pixels_of(TaskImage(str(lab / "wide.png"), 0), 8)[0, 0, 1:-1, 0].astype(float)
    assert small == pytest.approx([ramp[4 * i : 4 * i + 4].mean() for i in range(1, 7)], abs=1)


def test_a_run_keeps_its_images(lab: Path, tmp_path: Path) -> None:
    scenario = scenario_of(lab, FOLDER)
    run = tmp_path / "run"
    text = resolved_yaml(scenario, lab)
    digest = images_sha256(image_files(lab / "pictures"))
    assert images_digests(text) == {"image": digest}
    for name, path in input_files(scenario, lab).items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, run / name)
    (run / "scenario.yaml").write_text(text)
    entry = yaml.safe_load(text)["tasks"][0]["images"]
    assert entry == {"folder": "inputs/pictures-images", "sha256": digest}
    assert sorted(path.name for path in (run / entry["folder"]).iterdir()) == ["a.png", "b.png", "c.webp"]
    assert images_sha256(image_files(run / entry["folder"])) == digest
    shutil.copyfile(run / entry["folder"] / "a.png", run / entry["folder"] / "b.png")
    with pytest.raises(Mistakes, match=rf"folder=.*: sha256={digest}: must be that of the images, "):
        scenario_of(run, entry)


@pytest.mark.parametrize(
    ("images", "task", "message"),
    [
        ({"folder": "none"}, 0, r"tasks\[0\]\.images\.folder=none: .*/none: must be an existing folder"),
        ({"folder": "empty"}, 0, r"\.folder=empty: .*/empty: must have 1 to 10000 images, not 0"),
        ({"folder": "texts"}, 0, r"\.folder=texts: .*/texts/a\.txt: must be an image: cannot identify"),
        ({**FOLDER, "dataset": "photographs"}, 0, r"must give exactly one of dataset, folder"),
        ({}, 0, r"must give exactly one of dataset, folder"),
        ({"dataset": "photographs", "sha256": "1" * 64}, 0, r"sha256 must be given with folder alone"),
        (FOLDER, 1, r"tasks\[1\]\.images: must not be given, since llama-15m takes no"),
    ],
)
def test_folders_that_cannot_be_used_are_refused_in_one_line(
    lab: Path, images: dict[str, Any], task: int, message: str
) -> None:
    (lab / "empty").mkdir()
    (lab / "texts").mkdir()
    (lab / "texts" / "a.txt").write_text("no image")
    with pytest.raises(Mistakes, match=message) as caught:
        scenario_of(lab, images, task)
    assert len(caught.value.lines) == 1


def test_a_damaged_image_is_said_before_the_first_task(lab: Path) -> None:
    """Its beginning is that of an image."""
    picture = lab / "pictures" / "a.png"
    Image.effect_noise((64, 64), 50).save(picture)
    picture.write_bytes(picture.read_bytes()[:500])
    system = build(scenario_of(lab, FOLDER), lab)
    with pytest.raises(ValueError, match=r"pictures/a\.png: must be an image: ") as caught:
        require_images(system)
    assert "\n" not in str(caught.value)
