"""Train the shipped networks for Fashion-MNIST again, each from its recipe: `make train-models`.

One thread, and all draws from the recipe's seed: the same recipe gives the same weights with the same versions on the
same processor features.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from emulator.core.randomness import generator
from topologies.datasets.fashion_mnist import LabelledImages, fashion_mnist
from topologies.models.chain import Chain, ModelPlan
from topologies.models.registry import model_plan
from topologies.models.vision.images import image_input
from topologies.models.vision.trained import save_trained

TEST_BATCH = 1000


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that trained weights depend on beside the images: stochastic gradient descent with Nesterov momentum,
    cross-entropy loss, and one cycle of the learning rate (Smith and Topin, arXiv 1708.07120) up to `max_lr`.
    `flip_share`: share of the images that are mirrored in each epoch."""

    model: str
    epochs: int
    seed: int = 1
    batch: int = 128
    max_lr: float = 0.2
    warm_up_share: float = 0.3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    flip_share: float = 0.5

    @property
    def sha256(self) -> str:
        """The SHA-256 of all settings, as JSON."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


RECIPES: Mapping[str, TrainingRecipe] = {
    "resnet8-fashion": TrainingRecipe("resnet8-fashion", epochs=6),
    "vgg-fashion": TrainingRecipe("vgg-fashion", epochs=8),
}


def train_chain(recipe: TrainingRecipe, images: LabelledImages) -> Chain:
    """Return the recipe's model, trained on the images, in evaluation mode. Uses one thread, for the whole process."""
    torch.set_num_threads(1)
    plan = replace(model_plan(recipe.model), weights=None)
    chain = Chain(plan, 0, len(plan.layers))
    chain.materialise(recipe.seed)
    network = nn.Sequential(*chain.layers.values()).train().requires_grad_(requires_grad=True)
    for weights in network.parameters():
        if weights.dim() == 4:
            weights.data = weights.contiguous(memory_format=torch.channels_last)  # faster on a CPU
    batches = recipe.epochs * -(-len(images.labels) // recipe.batch)
    optimiser = torch.optim.SGD(
        network.parameters(), recipe.max_lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.max_lr, total_steps=batches, pct_start=recipe.warm_up_share
    )
    for epoch in range(recipe.epochs):
        for x, labels in _batches(recipe, plan, images, epoch):
            optimiser.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(network(x), labels))
            optimiser.step()
            schedule.step()
    chain.eval().requires_grad_(requires_grad=False)
    return chain


def accuracy(chain: Chain, images: LabelledImages) -> float:
    """Return the share of the images whose class has the greatest score."""
    right = 0
    for start in range(0, len(images.labels), TEST_BATCH):
        batch = slice(start, start + TEST_BATCH)
        scores = chain(image_input(chain.plan, images.pixels[batch]))
        right += int((scores.argmax(1).numpy() == images.labels[batch]).sum())
    return right / len(images.labels)


def _batches(
    recipe: TrainingRecipe, plan: ModelPlan, images: LabelledImages, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the inputs and classes of an epoch in random order."""
    draw = generator(recipe.seed, recipe.model, "order and mirrored images", epoch)
    order = draw.permutation(len(images.labels))
    mirrored = draw.random(len(order)) < recipe.flip_share
    for start in range(0, len(order), recipe.batch):
        chosen = order[start : start + recipe.batch]
        pixels = images.pixels[chosen]
        flips = mirrored[start : start + recipe.batch, np.newaxis, np.newaxis, np.newaxis]
        x = image_input(plan, np.where(flips, pixels[:, :, ::-1], pixels))
        labels = torch.from_numpy(images.labels[chosen].astype(np.int64))
        yield x.contiguous(memory_format=torch.channels_last), labels


def train_shipped(recipe: TrainingRecipe, train: LabelledImages, test: LabelledImages) -> dict[str, object]:
    """Train the recipe's model, write its weights and card among the shipped ones, and return the card."""
    begun_s = time.process_time()
    chain = train_chain(recipe, train)
    card = {
        "recipe": asdict(recipe),
        "recipe_sha256": recipe.sha256,
        "data_sha256": {"train": train.sha256, "test": test.sha256},
        "test_accuracy": accuracy(chain, test),
        "torch": torch.__version__.partition("+")[0],
        "cpu_s": round(time.process_time() - begun_s),
    }
    return save_trained(recipe.model, chain.state_dict(), card)


def main() -> None:
    """Train all shipped networks."""
    train, test = fashion_mnist("train"), fashion_mnist("test")
    print("training on one thread: about twelve minutes", flush=True)
    for recipe in RECIPES.values():
        card = train_shipped(recipe, train, test)
        print(f"{recipe.model}: test accuracy {card['test_accuracy']}, {card['cpu_s']} CPU s", flush=True)


if __name__ == "__main__":
    main()
