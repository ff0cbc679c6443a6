"""The PyTorch rows of train_step_torch.py; runs in PyTorch's own environment.

    TORCH_PYTHON benchmarks/train_step_torch_net.py PRECISION BATCH STEPS

The net is the resnet9 of trainer/models/backbones.py with the same four heads,
as one would write it for a CPU today: channels last, autocast, fused AdamW,
eager. Its input is a tensor of images of 64 x 64 that is made once. Prints
JSON: the median seconds, over STEPS, of forward; forward and backward; update;
the whole step.
"""

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (32, 64, 128, 256)
CLASSES = (168, 11, 7, 1295)
SIDE = 64
WARM_UP = 5


class ResNet9(nn.Module):
    """resnet9 with a linear head for each output."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(1, WIDTHS[0], kernel=5, stride=2)
        pairs = list(zip(WIDTHS, WIDTHS[1:], strict=False))
        self.widen = nn.ModuleList(convolution(a, b) for a, b in pairs)
        self.first = nn.ModuleList(convolution(b, b) for _, b in pairs)
        self.second = nn.ModuleList(convolution(b, b) for _, b in pairs)
        self.dropout = nn.Dropout(0.2)
        self.heads = nn.ModuleList(nn.Linear(WIDTHS[-1], n) for n in CLASSES)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = functional.relu(self.stem(x))
        for widen, first, second in zip(
            self.widen, self.first, self.second, strict=True
        ):
            x = functional.relu(widen(functional.max_pool2d(x, 2)))
            x = functional.relu(x + second(functional.relu(first(x))))
        pooled = self.dropout(x.float().mean((2, 3)))
        with torch.autocast("cpu", enabled=False):
            return [head(pooled) for head in self.heads]


def convolution(
    channels: int, width: int, *, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(width),
    )


def main() -> None:
    precision, batch, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    net = ResNet9().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=1e-3, weight_decay=0.05, fused=True
    )
    images = torch.rand(batch, 1, SIDE, SIDE)
    images = images.to(memory_format=torch.channels_last)
    labels = [torch.randint(0, size, (batch,)) for size in CLASSES]

    def forward() -> list[torch.Tensor]:
        context = contextlib.nullcontext()
        if precision == "mixed_bfloat16":
            context = torch.autocast("cpu", torch.bfloat16)
        with context:
            return net(images)

    def backward() -> None:
        optimizer.zero_grad()
        pairs = zip(forward(), labels, strict=True)
        losses = [functional.cross_entropy(*pair) for pair in pairs]
        torch.stack(losses).sum().backward()

    def step() -> None:
        backward()
        optimizer.step()

    rows = {
        "forward": forward,
        "forward and backward": backward,
        "update": optimizer.step,
        "step": step,
    }
    backward()  # Makes the gradients that the update needs.
    print(json.dumps({k: median(row, steps) for k, row in rows.items()}))


def median(call: Callable[[], object], steps: int) -> float:
    """Returns the median time of a call in seconds."""
    seconds = []
    for _ in range(WARM_UP + steps):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[WARM_UP:])


if __name__ == "__main__":
    main()
