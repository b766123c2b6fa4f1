"""What is seen of a training from outside: TensorBoard and a picture."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from musclefm.storage.atomic import atomic_bytes
from musclefm.training.fitting.checkpoint import EpochRecord

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_DOTS_PER_INCH = 110


class BoardLog:
    """Writes a member's epochs for TensorBoard, where that is installed.

    Parameters
    ----------
    folder : Path
        Of this member.
    epochs_before : int
        Epochs that were logged already: what a killed run logged beyond them is
        hidden.
    """

    def __init__(self, folder: Path, epochs_before: int) -> None:
        self._writer: SummaryWriter | None = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=epochs_before)

    def add(self, record: EpochRecord) -> None:
        """Log an epoch."""
        if not self._writer:
            return
        for name, value in {
            "loss": record.loss,
            "learning rate": record.learning_rate,
            "DSC on fold": record.fold_dice,
            "NLL on fold": record.fold_nll,
        }.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """End the log."""
        if self._writer:
            self._writer.close()


def draw_losses(histories: Sequence[Sequence[EpochRecord]], path: Path) -> None:
    """Draw loss and DSC of all members over their epochs, as a PNG.

    Raises
    ------
    MuscleFMError
        It cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for member, history in enumerate(histories):
        epochs = [record.epoch for record in history]
        axes[0].plot(epochs, [record.loss for record in history], label=f"member {member + 1}")
        axes[1].plot(epochs, [record.fold_dice for record in history])
    for panel, title in zip(axes, ("Training loss", "DSC on the member's own fold"), strict=True):
        panel.set(xlabel="Epoch", title=title)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH)
    atomic_bytes(path, picture.getvalue())
