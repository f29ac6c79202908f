import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from results.figures.quality import pareto_front

VALUES = st.integers(0, 6).map(float)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_front_has_exactly_the_points_that_no_other_beats(points: list[tuple[float, float]]) -> None:
    front = pareto_front(pd.DataFrame(points, columns=["delay_ms", "quality_loss"]))
    unbeaten = {
        (delay, loss)
        for delay, loss in points
        if not any(a <= delay and b <= loss and (a, b) != (delay, loss) for a, b in points)
    }
    assert set(front.itertuples(index=False, name=None)) == unbeaten
    assert list(front["delay_ms"]) == sorted(delay for delay, _ in unbeaten)
