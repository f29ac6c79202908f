"""Neural networks as chains of layers that can be cut anywhere. Imports torch; simulations import no torch."""

from topologies.models.chain import Chain, LayerPlan, ModelPlan
from topologies.models.registry import build, example_input, model_names, model_plan, outline

__all__ = ["Chain", "LayerPlan", "ModelPlan", "build", "example_input", "model_names", "model_plan", "outline"]
