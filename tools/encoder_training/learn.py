"""The training: classes to tell apart, and a teacher's map of voices to redraw."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sonicgen.embedder.encoders.ecapa_network import Ecapa, Shape
from sonicgen.embedder.encoders.fbank import fbank
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tools.encoder_training.pool import Pool
from tools.encoder_training.rooms import Disturber
from tools.encoder_training.voices import Sound

SHAPE = Shape(channels=320, pooled=640, stride=2, padding="zeros")
VOICES, CROPS = 32, 2  # a batch: so many voices, so many crops of each
CROP_SECONDS, CROP_SHARES = (1.5, 2.0, 3.0), (0.4, 0.35, 0.25)
PEAK_RATE, WARM_UP = 2e-3, 0.08
SCALE, MARGIN, MARGIN_FROM, MARGIN_TO = 30.0, 0.2, 0.1, 0.5  # the margin grows over this part of the training
TEACHER_WEIGHT, MAP_WEIGHT = 8.0, 20.0
SAME_PLACE = 0.8  # a reader's variants whose teacher vectors have a higher cosine are not told apart
AVERAGE = 0.999  # of the weights, for the model that is kept
SAVE_STEPS, REPORT_STEPS = 100, 100


class Heads(nn.Module):
    """What only training needs: the classes' centres, and the way from a vector to the teacher's."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(len(pool.sounds), SHAPE.dimension) * 0.05)
        self.to_teacher = nn.Linear(SHAPE.dimension, pool.targets.shape[1])
        targets = torch.from_numpy(pool.targets)
        reader = torch.from_numpy(pool.reader)
        alike = (targets @ targets.T > SAME_PLACE) & (reader[:, None] == reader[None])
        self.register_buffer("alike", alike.fill_diagonal_(False), persistent=False)
        self.register_buffer("targets", targets, persistent=False)

    def forward(self, vectors: Tensor, voices: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the three losses: classes (additive angular margin), the teacher's vectors, the map between them."""
        rows = functional.normalize(vectors)
        cosine = rows @ functional.normalize(self.centres).T
        own = functional.one_hot(voices, len(self.centres)).bool()
        angle = torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))
        logits = SCALE * torch.where(own, torch.cos(angle + margin), cosine)
        classes = functional.cross_entropy(logits.masked_fill(self.alike[voices], -SCALE), voices)
        targets = self.targets[voices]
        teacher = 1 - functional.cosine_similarity(self.to_teacher(rows), targets).mean()
        drawn = (rows @ rows.T - targets @ targets.T).square()
        return classes, teacher, drawn.mean()


@dataclass
class Training:
    """All that a training needs to go on where it was."""

    network: Ecapa
    average: Ecapa
    heads: Heads
    optimizer: torch.optim.Optimizer
    step: int = 0

    def save(self, path: Path) -> None:
        """Write the state; a kill leaves the one before."""
        parts = {"network": self.network, "average": self.average, "heads": self.heads, "optimizer": self.optimizer}
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**state, "step": self.step}, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a written state."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name in ("network", "average", "heads", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]


def begin(pool: Pool) -> Training:
    """Return an untrained state, always the same."""
    torch.manual_seed(0)
    network, heads = Ecapa(SHAPE), Heads(pool)
    groups = [
        {"params": network.parameters(), "weight_decay": 2e-5},
        {"params": heads.parameters(), "weight_decay": 2e-4},
    ]
    return Training(network, copy.deepcopy(network), heads, torch.optim.AdamW(groups, lr=PEAK_RATE))


def learn(pool: Pool, steps: int, path: Path, stop: int) -> Training:
    """Train until the step to stop at, going on from the state at the path when there is one; `steps` set the pace."""
    training = begin(pool)
    if path.exists():
        training.load(path)
    disturber = Disturber(pool.sounds)
    sums, start = np.zeros(4), time.perf_counter()
    while training.step < stop:
        sums += _step(training, pool, disturber, steps)
        training.step += 1
        if training.step % REPORT_STEPS == 0:
            figures = " ".join(f"{value:.3f}" for value in sums / REPORT_STEPS)
            seconds, sums = time.perf_counter() - start, np.zeros(4)
            print(f"step {training.step}: {figures} {seconds:.0f} s", flush=True)
        if training.step % (5 * REPORT_STEPS) == 0:
            print(validate(training.average, pool), flush=True)
        if training.step % SAVE_STEPS == 0 or training.step == stop:
            training.save(path)
    return training


def _step(training: Training, pool: Pool, disturber: Disturber, steps: int) -> NDArray[np.float64]:
    random = np.random.default_rng([9, training.step])  # so that what goes on from a state goes on the same
    voices = random.choice(len(pool.sounds), VOICES, replace=False).repeat(CROPS)
    samples = int(random.choice(CROP_SECONDS, p=CROP_SHARES) * SAMPLE_RATE_HZ)
    crops = [disturber.disturb(_crop(pool.sounds[voice], samples, random), random) for voice in voices]
    features = _masked(fbank(np.stack(crops)), random)
    done = training.step / steps
    for group in training.optimizer.param_groups:
        group["lr"] = PEAK_RATE * _rate(done)
    training.network.train()
    with torch.autocast("cpu", torch.bfloat16):
        vectors = training.network(torch.from_numpy(features))
    margin = MARGIN * min(1.0, max(0.0, (done - MARGIN_FROM) / (MARGIN_TO - MARGIN_FROM)))
    classes, teacher, drawn = training.heads(vectors.float(), torch.from_numpy(voices), margin)
    loss = classes + TEACHER_WEIGHT * teacher + MAP_WEIGHT * drawn
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(training.network.parameters(), 5.0)
    training.optimizer.step()
    _follow(training)
    return np.array([loss.item(), classes.item(), teacher.item(), drawn.item()])


def _rate(done: float) -> float:
    if done < WARM_UP:
        return 0.05 + 0.95 * done / WARM_UP
    return 0.003 + 0.997 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


@torch.no_grad()
def _follow(training: Training) -> None:
    """Move the averaged weights; statistics of normalisations are averaged too."""
    keep = min(AVERAGE, (1 + training.step) / (10 + training.step))
    now = training.network.state_dict()
    for name, value in training.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - keep)


def _crop(sound: Sound, samples: int, random: np.random.Generator) -> Sound:
    start = random.integers(max(1, len(sound) - samples))
    part = sound[start : start + samples]
    return part if len(part) == samples else np.resize(part, samples)


def _masked(features: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Return the features with a stretch of time and a few bands of each crop blanked (SpecAugment)."""
    _, frames, bands = features.shape
    for row in features:
        if random.random() < 0.5:
            first = random.integers(frames - 20)
            row[first : first + random.integers(5, 20)] = 0
            first = random.integers(bands - 8)
            row[:, first : first + random.integers(2, 9)] = 0
    return features


# ---- validation ------------------------------------------------------------------------------------------------------
@torch.inference_mode()
def held_out_rows(
    network: nn.Module, pool: Pool, seconds: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Return vectors of the held-out readers' pieces, of the same disturbed, and whose they are."""
    network.eval()
    disturber, random = Disturber(pool.sounds), np.random.default_rng(10)
    samples = int(seconds * SAMPLE_RATE_HZ)
    pieces = [
        (reader, sound[start : start + samples])
        for reader, sound in enumerate(pool.held_out)
        for start in range(0, len(sound) - samples + 1, samples)
    ]
    clean = np.stack([piece for _, piece in pieces])
    other = np.stack([disturber.disturb(piece, random) for piece in clean])
    rows = [functional.normalize(network(torch.from_numpy(fbank(part)))).numpy() for part in (clean, other)]
    return rows[0], rows[1], np.array([reader for reader, _ in pieces])


def validate(network: nn.Module, pool: Pool) -> str:
    """Return the equal error rates among the readers held out: clean against clean, clean against disturbed."""
    figures = []
    for seconds in (1.5, 3.0):
        clean, other, reader = held_out_rows(network, pool, seconds)
        same = reader[:, None] == reader[None]
        apart = ~np.eye(len(reader), dtype=bool)
        for name, scores in (("clean", clean @ clean.T), ("disturbed", clean @ other.T)):
            figures.append(f"{name} {seconds} s {100 * equal_error_rate(scores[same & apart], scores[~same]):.2f} %")
    return "  held out: " + ", ".join(figures)


def equal_error_rate(same: NDArray[np.floating], different: NDArray[np.floating]) -> float:
    """Return where as many of the same are taken for different as the other way round."""
    order = np.argsort(np.concatenate((same, different)), kind="stable")
    is_same = np.concatenate((np.ones(len(same)), np.zeros(len(different))))[order]
    missed = np.cumsum(is_same) / len(same)
    false = 1 - np.cumsum(1 - is_same) / len(different)
    at = np.abs(missed - false).argmin()
    return float(missed[at] + false[at]) / 2
