"""The documentation's table of trained networks."""

from pathlib import Path

from topologies.models.vision.training import RECIPES
from topologies.models.vision.weight_files import read_card

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def test_page_has_the_figures_of_the_cards() -> None:
    for name in RECIPES:
        card = read_card(name)
        row = f"| {card['test_accuracy']} | {card['recipe']['epochs']} | {card['cpu_s']} | {name} |"
        assert row in PAGE.read_text().splitlines()
