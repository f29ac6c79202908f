"""Generators fitted to a recording: `learn` fits a model of its rate, `draw` draws new traces from the model."""

from emulator.trace.fitted.drawing import draw
from emulator.trace.fitted.learning import learn
from emulator.trace.fitted.model import Correlation, RateModel, describe, load_model, save_model

__all__ = ["Correlation", "RateModel", "describe", "draw", "learn", "load_model", "save_model"]
