"""Importing this module registers the project's environments with Gymnasium."""

import gymnasium

SPLIT_INFERENCE = "airsplit/SplitInference-v0"
BLOCK_PLACEMENT = "airsplit/BlockPlacement-v0"
LAYER_SPLIT = "airsplit/LayerSplit-v0"
OFFLOAD = "airsplit/Offload-v0"

gymnasium.register(
    SPLIT_INFERENCE,
    entry_point="agents.split_inference.environment:make",
    vector_entry_point="agents.split_inference.vector_environment:make",
)

gymnasium.register(
    BLOCK_PLACEMENT,
    entry_point="agents.block_placement.environment:make",
    vector_entry_point="agents.block_placement.vector_environment:make",
)

gymnasium.register(
    LAYER_SPLIT,
    entry_point="agents.layer_split.environment:make",
    vector_entry_point="agents.layer_split.vector_environment:make",
)

gymnasium.register(
    OFFLOAD,
    entry_point="agents.offload.environment:make",
    vector_entry_point="agents.offload.environment:make_vector",
)
