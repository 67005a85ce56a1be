"""The ECAPA-TDNN in plain torch, with the names of SpeechBrain's weights, so that its checkpoints load as they are.

Desplanques et al., "ECAPA-TDNN: emphasized channel attention, propagation and aggregation in TDNN based speaker
verification", 2020. Import it only where torch is installed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sonicgen.embedder.encoders.fbank import BANDS


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network; the defaults are those of `speechbrain/spkrec-ecapa-voxceleb`.

    A `stride` of 2 halves the frames, and so the work, at the first layer.
    """

    channels: int = 1024
    pooled: int = 3072
    dimension: int = 192
    attention: int = 128
    squeeze: int = 128
    stride: int = 1
    padding: str = "reflect"


class Convolution(nn.Module):
    """A convolution over time that keeps the length (divided by the stride)."""

    def __init__(
        self, inputs: int, outputs: int, size: int = 1, dilation: int = 1, stride: int = 1, padding: str = "reflect"
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            inputs,
            outputs,
            size,
            stride=stride,
            dilation=dilation,
            padding=dilation * (size - 1) // 2,
            padding_mode=padding if size > 1 else "zeros",
        )

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.conv(inputs)
        return out


class Norm(nn.Module):
    """Batch normalisation, named as SpeechBrain names it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.norm(inputs)
        return out


class Layer(nn.Module):
    """Convolution, rectifier, normalisation."""

    def __init__(
        self, inputs: int, outputs: int, size: int = 1, dilation: int = 1, stride: int = 1, padding: str = "reflect"
    ) -> None:
        super().__init__()
        self.conv = Convolution(inputs, outputs, size, dilation, stride, padding)
        self.norm = Norm(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.norm(functional.relu(self.conv(inputs)))
        return out


class Res2Net(nn.Module):
    """Channels in eight parts, each of which also hears what the one before it made."""

    SCALE = 8

    def __init__(self, channels: int, size: int, dilation: int, padding: str) -> None:
        super().__init__()
        part = channels // self.SCALE
        self.blocks = nn.ModuleList([Layer(part, part, size, dilation, padding=padding) for _ in range(self.SCALE - 1)])

    def forward(self, inputs: Tensor) -> Tensor:
        parts = inputs.chunk(self.SCALE, 1)
        out = [parts[0]]
        for index, block in enumerate(self.blocks):
            heard = parts[index + 1] if index == 0 else parts[index + 1] + out[-1]
            out.append(block(heard))
        return torch.cat(out, 1)


class Squeeze(nn.Module):
    """Weighs the channels by what the whole piece is like."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, hidden)
        self.conv2 = Convolution(hidden, channels)

    def forward(self, inputs: Tensor) -> Tensor:
        weights = torch.sigmoid(self.conv2(functional.relu(self.conv1(inputs.mean(2, keepdim=True)))))
        return weights * inputs


class Block(nn.Module):
    """One SE-Res2Net block."""

    def __init__(self, shape: Shape, dilation: int) -> None:
        super().__init__()
        self.tdnn1 = Layer(shape.channels, shape.channels)
        self.res2net_block = Res2Net(shape.channels, 3, dilation, shape.padding)
        self.tdnn2 = Layer(shape.channels, shape.channels)
        self.se_block = Squeeze(shape.channels, shape.squeeze)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(inputs)))) + inputs
        return out


class Pooling(nn.Module):
    """Mean and deviation over time, each channel looking where it finds the voice."""

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.tdnn = Layer(3 * channels, attention)
        self.conv = Convolution(attention, channels)

    def forward(self, inputs: Tensor) -> Tensor:
        mean = inputs.mean(2, keepdim=True)
        deviation = _root((inputs - mean).square().mean(2, keepdim=True))
        context = torch.cat([inputs, mean.expand_as(inputs), deviation.expand_as(inputs)], 1)
        weights = torch.softmax(self.conv(torch.tanh(self.tdnn(context))), 2)
        mean = (weights * inputs).sum(2, keepdim=True)
        deviation = _root((weights * (inputs - mean).square()).sum(2, keepdim=True))
        return torch.cat([mean, deviation], 1)


class Ecapa(nn.Module):
    """Features (pieces, frames, BANDS) to vectors (pieces, dimension), not yet of length one."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        first = Layer(BANDS, shape.channels, 5, stride=shape.stride, padding=shape.padding)
        self.blocks = nn.ModuleList([first, *(Block(shape, dilation) for dilation in (2, 3, 4))])
        self.mfa = Layer(3 * shape.channels, shape.pooled)
        self.asp = Pooling(shape.pooled, shape.attention)
        self.asp_bn = Norm(2 * shape.pooled)
        self.fc = Convolution(2 * shape.pooled, shape.dimension)

    def forward(self, features: Tensor) -> Tensor:
        out = self.blocks[0](features.transpose(1, 2))
        layers = []
        for block in self.blocks[1:]:
            out = block(out)
            layers.append(out)
        pooled = self.asp_bn(self.asp(self.mfa(torch.cat(layers, 1))))
        vectors: Tensor = self.fc(pooled).squeeze(2)
        return vectors


def _root(variance: Tensor) -> Tensor:
    return variance.clamp(min=1e-12).sqrt()
