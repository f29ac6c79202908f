"""New traces of a recording's kind: `learn` makes a model of its rate, `draw` rearranges it into new traces."""

from emulator.trace.fitted.drawing import draw
from emulator.trace.fitted.learning import learn
from emulator.trace.fitted.model import RateModel, describe, load_model, save_model

__all__ = ["RateModel", "describe", "draw", "learn", "load_model", "save_model"]
