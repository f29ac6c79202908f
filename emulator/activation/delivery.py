"""How an activation is delivered over a link that loses parts of it: the harm, and all that is done against it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from emulator.activation.concealment import CONCEALMENTS, MOST_DIMENSIONS, Calibration, Protection, fill
from emulator.activation.harms import Harm, lost_scalars, noisy, parse_harm
from emulator.activation.interleaving import INTERLEAVINGS, packet_numbers, scalars_per_packet
from emulator.core.arrays import Float32s, Ints


@dataclass(frozen=True)
class Recipe:
    """What is done against losses. As text `scatter/mean/t1/d4`: interleaving, concealment, and if any are, the
    numbers of protected tokens and of protected dimensions. Raises ValueError for an unknown name."""

    interleaving: str = "none"
    concealment: str = "zero"
    protection: Protection = field(default_factory=Protection)

    def __post_init__(self) -> None:
        for name, known in (("interleaving", INTERLEAVINGS), ("concealment", CONCEALMENTS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)}: must be one of {', '.join(known)}")

    def __str__(self) -> str:
        """Return the text that `parse_recipe` reads."""
        numbers = (("t", self.protection.tokens), ("d", self.protection.dimensions))
        kept = (f"{letter}{number}" for letter, number in numbers if number)
        return "/".join((self.interleaving, self.concealment, *kept))

    @property
    def needs_calibration(self) -> bool:
        """Return whether sender and receiver need a calibration of the cut."""
        return self.concealment == "mean" or self.protection.dimensions > 0

    def packets(self, shape: tuple[int, int], capacity: int, calibration: Calibration | None) -> Ints:
        """Return the `packet_numbers` of the scalars of an activation of this shape, (tokens, elements)."""
        return packet_numbers(self.interleaving, self.protection.flags(*shape, calibration), capacity)


def parse_recipe(text: str) -> Recipe:
    """Return the recipe of a text such as `scatter/mean/t1/d4`. Raises ValueError for any other text."""
    interleaving, *rest = text.split("/")
    numbers = {"t": 0, "d": 0}
    concealment, kept = (rest[0], rest[1:]) if rest else ("", [])
    letters = [each[:1] for each in kept]
    if not concealment or letters != sorted(set(letters) & {"t", "d"}, reverse=True):
        raise ValueError(f"recipe={text}: must be INTERLEAVING/CONCEALMENT[/tTOKENS][/dDIMENSIONS]")
    for each in kept:
        if not (each[1:].isdecimal() and int(each[1:]) > 0):
            raise ValueError(f"recipe={text}: {each}: must have a whole number of at least 1 after the letter")
        numbers[each[0]] = int(each[1:])
    if numbers["d"] > MOST_DIMENSIONS:
        raise ValueError(f"recipe={text}: must protect at most {MOST_DIMENSIONS} dimensions")
    return Recipe(interleaving, concealment, Protection(numbers["t"], numbers["d"]))


class ActivationDelivery(NamedTuple):
    """A harm, and the recipe against it. As text `packets:1500/scatter/mean/t1/d4`."""

    harm: Harm
    recipe: Recipe

    def __str__(self) -> str:
        """Return the text that `parse_delivery` reads."""
        return f"{self.harm}/{self.recipe}"

    def harmed(
        self,
        values: Float32s,
        level: float,
        size_bytes: int,
        calibration: Calibration | None,
        rng: np.random.Generator,
    ) -> Float32s:
        """Return an activation, shape (tokens, elements), as it is after harm and concealment.

        `level`: share that is lost, or power of noise relative to each token's; `size_bytes`: of the whole activation
        as its codec stores it. Raises ValueError for a level that the harm cannot have.
        """
        tokens, elements = values.shape
        if self.harm.kind == "noise":
            protected = self.recipe.protection.flags(tokens, elements, calibration)
            return noisy(values, self.harm, level, protected, rng)
        capacity = scalars_per_packet(self.harm.packet_bytes, values.size, size_bytes)
        packets = self.recipe.packets((tokens, elements), capacity, calibration)
        return fill(values, lost_scalars(self.harm, level, packets, rng), self.recipe.concealment, calibration)


def parse_delivery(text: str) -> ActivationDelivery:
    """Return the delivery of a text such as `packets:1500/scatter/mean/t1/d4`. Raises ValueError."""
    harm, _, recipe = text.partition("/")
    return ActivationDelivery(parse_harm(harm), parse_recipe(recipe))
