"""The PyTorch side of train_step.py: the same networks and the same step, eager, channels last."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
import train_step_setting as setting
from torch import nn
from train_step_setting import Prepared, batch, cores

from femo_jax.errors import FemoError


class ConvNorm(nn.Module):
    """A 3x3 convolution without bias and BatchNorm, with ReLU behind it if asked."""

    def __init__(self, inputs: int, outputs: int, *, relu: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, setting.BATCH_NORM_EPSILON, 1 - setting.BATCH_NORM_MOMENTUM)
        self.relu = relu
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[b, inputs, h, w]` -> `[b, outputs, h, w]`."""
        x = self.norm(self.conv(x))
        return F.relu_(x) if self.relu else x


class Network(nn.Module):
    """What both networks are made of: two layers a stage, and a head behind the mean of each channel."""

    def __init__(self, channels: int, widths: Sequence[int], *, second_relu: bool, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList()
        for width in widths:
            self.layers += [ConvNorm(channels, width, relu=True), ConvNorm(width, width, relu=second_relu)]
            channels = width
        self.head = nn.Linear(channels, setting.CLASSES)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """`[b, channels, h, w]` of the last stage -> `[b, 7]` logits."""
        return self.head(F.dropout(x.mean((2, 3)), self.dropout, self.training))


class FemoNet(Network):
    """The layers of `femo_jax.models.femonet.FemoNet` with its default options."""

    def __init__(self, dropout: float = setting.DROPOUT) -> None:
        super().__init__(4, setting.WIDTHS, second_relu=False, dropout=dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`[b, 1, 48, 48]` -> `[b, 7]` logits."""
        x = F.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)
        for number in range(0, len(self.layers), 2):
            x = F.max_pool2d(x, 2) if number else x
            x = self.layers[number](x)
            x = F.relu_(x + self.layers[number + 1](x))
        return self.classify(x)


class Vgg(Network):
    """The layers of `train_step_jax.Vgg`."""

    def __init__(self, dropout: float = setting.DROPOUT) -> None:
        super().__init__(1, setting.VGG_WIDTHS, second_relu=True, dropout=dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`[b, 1, 48, 48]` -> `[b, 7]` logits."""
        x = images
        for number in range(0, len(self.layers), 2):
            x = F.max_pool2d(self.layers[number + 1](self.layers[number](x)), 2)
        return self.classify(x)


NETWORKS = {"femonet": FemoNet, "vgg": Vgg}


def create_step(model: nn.Module, *, autocast: bool) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The step: images `[b, 1, 48, 48]` in channels_last and labels -> loss; changes the model."""
    kernels = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": setting.WEIGHT_DECAY}, {"params": others}],
        lr=setting.LEARNING_RATE,
        momentum=setting.MOMENTUM,
        nesterov=True,
        fused=True,
    )
    model.train()

    def step(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = F.cross_entropy(model(images).float(), labels, label_smoothing=setting.SMOOTHING)
        loss.backward()
        optimizer.step()
        return loss

    return step


def prepare(network: str, dtype: str) -> Prepared:
    """The step of a network with all cores, eager; bfloat16 by autocast."""
    torch.set_num_threads(cores())
    torch.manual_seed(0)
    return _prepare(NETWORKS[network](), dtype)


def prepare_compiled(network: str, dtype: str) -> Prepared:
    """The same through torch.compile.

    Raises:
      FemoError: torch.compile does not work here; it needs a C++ compiler.
    """
    torch.set_num_threads(cores())
    torch.manual_seed(0)
    model = NETWORKS[network]()
    model.compile()
    prepared = _prepare(model, dtype)
    try:
        prepared.run(1)
    except (RuntimeError, OSError) as error:
        raise FemoError(f"torch.compile failed ({str(error).splitlines()[0]})") from error
    return prepared


def _prepare(model: nn.Module, dtype: str) -> Prepared:
    model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    step = create_step(model, autocast=dtype == "bfloat16")
    inputs, labels = batch()
    images = torch.from_numpy(inputs).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(labels).long()

    def run(steps: int) -> float:
        for _ in range(steps):
            loss = step(images, targets)
        return loss.item()

    return Prepared(run, parameters=parameters, versions={"torch": torch.__version__})
