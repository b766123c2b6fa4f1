"""Where a network runs, and in which precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from musclefm.errors import MuscleFMError

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Runtime:
    """A device and a precision.

    Attributes
    ----------
    device : torch.device
        CPU or one GPU.
    bf16 : bool
        Whether networks run under autocast to bfloat16; all sums over members
        and all uncertainties are float32 in any case.
    """

    device: torch.device
    bf16: bool

    @property
    def description(self) -> str:
        """For people, e.g. ``"NVIDIA H200, bf16"``."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        return f"{name}, {'bf16' if self.bf16 else 'fp32'}"

    def place(self, module: Module) -> Module:
        """Move a network to the device, laid out there as it computes fastest."""
        module = module.to(self.device)
        volumes = any(weights.ndim == 5 for weights in module.parameters())
        if self.device.type == "cpu" and not volumes:
            # A CPU convolves up to twice as fast where the channels lie last.
            return module.to(memory_format=torch.channels_last)
        return module

    def place_for_use(self, network: Module) -> Module:
        """Place a network that learns no more.

        Where it computes in bfloat16, what it multiplies by is kept so: autocast would make the
        same of it for every batch anew, and of both it would need the memory.
        """
        network = self.place(network)
        if self.bf16:
            multiplies = nn.Linear, nn.Conv2d, nn.ConvTranspose2d
            for layer in network.modules():
                dtype = torch.bfloat16 if isinstance(layer, multiplies) else torch.float32
                for name, weight in list(layer.named_parameters(recurse=False)):
                    # A new one: of the old ones any keeps the file of all in memory.
                    own = weight.detach().to(dtype, copy=True)
                    setattr(layer, name, nn.Parameter(own, requires_grad=False))
                for name, kept in list(layer.named_buffers(recurse=False)):
                    setattr(layer, name, kept.detach().clone())
        return network


def choose_runtime(device: str = "auto", precision: str = "auto") -> Runtime:
    """Choose where to run.

    Parameters
    ----------
    device : str
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    precision : str
        ``"auto"`` (bfloat16 where the hardware computes in it), ``"fp32"`` or ``"bf16"``.
        ``"fp32"`` means all of its digits: a GPU convolves without TF32 from then on.

    Raises
    ------
    MuscleFMError
        The device is not there, or a name is unknown.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise MuscleFMError(f"unknown precision '{precision}'", "use auto, fp32 or bf16")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise MuscleFMError(
            f"unknown device '{device}'", "use auto, cpu, cuda or cuda:N"
        ) from error
    if chosen.type not in ("cpu", "cuda"):
        raise MuscleFMError(f"device '{device}' is not supported", "use auto, cpu, cuda or cuda:N")
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise MuscleFMError("no GPU that PyTorch can use was found", "use --device cpu")
        if (chosen.index or 0) >= torch.cuda.device_count():
            raise MuscleFMError(
                f"there is no GPU number {chosen.index}",
                f"use one of cuda:0 to cuda:{torch.cuda.device_count() - 1}",
            )
    if precision == "fp32":
        torch.backends.cudnn.allow_tf32 = False
    native = _computes_in_bf16(chosen)
    return Runtime(chosen, native if precision == "auto" else precision == "bf16")


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # AVX-512 alone emulates bfloat16 at a loss; its BF16 extension does not.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())
