"""A network without weights, for those that come from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from musclefm.networks.architecture import Architecture
from musclefm.networks.families import build
from musclefm.networks.network import SegmentationNetwork


class _NothingDrawn(TorchFunctionMode):
    """Skips ``torch.nn.init``.

    Drawing is lost work, and on the device "meta" it imports torch's compiler first,
    which takes longer than to segment a case.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def build_without_weights(architecture: Architecture, class_count: int) -> SegmentationNetwork:
    """Build a network whose tensors have shapes and no storage, see :func:`build`.

    Give it weights by ``load_state_dict(…, assign=True)``.
    """
    with torch.device("meta"), _NothingDrawn():
        return build(architecture, class_count)
