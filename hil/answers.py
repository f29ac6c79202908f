"""What is kept of a task's answer, and how much worse it is than that of the whole, unharmed model.

Importing this imports torch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from topologies.quality.subject import judge_language


class Answer(NamedTuple):
    """`choice`: number of the most likely class, or of the most likely next token behind the prompt; `text_loss`: mean
    negative log-likelihood of the prompt's tokens but the first, in nats; None without a text."""

    choice: int
    text_loss: float | None = None


class MeasuredLoss(NamedTuple):
    """How an answer differs from that of the whole model on the same input. `loss`: nats a token; or for an image 1 if
    the class is wrong, less 1 if that of the whole model is too; None for drawn tokens, which no model can foresee.
    `agrees`: whether it is the same next token or class."""

    loss: float | None
    agrees: bool


def text_loss(output: torch.Tensor, prompt: Sequence[int]) -> float | None:
    """Return the mean negative log-likelihood in nats of a prompt's tokens but the first by a model's output, shape (1,
    tokens, vocabulary); None for fewer than two tokens."""
    if len(prompt) < 2:
        return None
    losses, _ = judge_language(output.float(), torch.tensor([prompt]))
    return float(losses.mean())


def answer_of(output: torch.Tensor, prompt: Sequence[int]) -> Answer:
    """Return the answer in the last layer's output: of shape (1, tokens, vocabulary), or the scores of an image's
    classes. `prompt`: the tokens of a text; empty for an image and for drawn tokens."""
    scores = output[0, -1] if output.ndim == 3 else output.flatten()
    return Answer(int(scores.argmax()), text_loss(output, prompt))


def compared(answer: Answer, whole: Answer, *, is_text: bool, label: int | None) -> MeasuredLoss:
    """Return how an answer differs from that of the whole model. `is_text`: whether it is a language model's; `label`:
    the class of an image; without one the whole model is right."""
    agrees = answer.choice == whole.choice
    if not is_text:
        right = whole.choice if label is None else label
        return MeasuredLoss(float(answer.choice != right) - float(whole.choice != right), agrees)
    if answer.text_loss is None or whole.text_loss is None:
        return MeasuredLoss(None, agrees)
    return MeasuredLoss(answer.text_loss - whole.text_loss, agrees)
