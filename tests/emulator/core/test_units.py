import pytest

from emulator.core.units import ns_from_text


@pytest.mark.parametrize(
    ("text", "ns"), [("60s", 60_000_000_000), ("500ms", 500_000_000), ("2min", 120_000_000_000), ("0.25s", 250_000_000)]
)
def test_times_with_units(text: str, ns: int) -> None:
    assert ns_from_text("--duration", text) == ns


@pytest.mark.parametrize("text", ["", "60", "s", "soon", "0s", "-1s", "nans", "1e9s", "5 h"])
def test_invalid_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^--duration {text}: must be "):
        ns_from_text("--duration", text)
