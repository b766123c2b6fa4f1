"""The panel's sections in the order of the work: the step that is next is unfolded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from MuscleFMSegmentLib.review.open_case import OpenCase

Step = Literal["segment", "review", "save", "saved"]
"""What the reader does next; ``"saved"`` is a case of which nothing is left to do."""


class Sections:
    """The sections.

    Parameters
    ----------
    ui : object
        Has ``segmentSection``, ``reviewSection`` and so on.
    forms : mapping of str to qt.QWidget
        What lies in the section of that name.
    openCase : callable
        Returns the case that is open, or None.
    """

    def __init__(
        self, ui: Any, forms: Mapping[str, Any], openCase: Callable[[], OpenCase | None]
    ) -> None:
        self._sections = {name: getattr(ui, f"{name}Section") for name in forms}
        self._openCase = openCase
        self._step: Step = "segment"
        for name, form in forms.items():
            self._sections[name].layout().addWidget(form)
            self._sections[name].collapsed = name != "segment"

    @property
    def step(self) -> Step:
        """What the reader does next."""
        opened = self._openCase()
        if opened is None:
            return "segment"
        if opened.review.queue.to_do_count:
            return "review"
        return "save" if opened.review.storedSample is None else "saved"

    def follow(self) -> None:
        """Unfold the step that is next and fold what is done; the reader's folding stays else."""
        step, before = self.step, self._step
        if step == before:
            return
        self._step = step
        self._fold("review", step in ("segment", "saved"))
        self._fold("correct", step in ("segment", "saved"))
        self._fold("save", step in ("segment", "review"))
        if "segment" in (step, before):
            self._fold("segment", step != "segment")
            self._fold("muscles", True)
            self._fold("uncertainty", True)

    def begin(self) -> None:
        """Follow to another case, which may be in the step of the one before."""
        self._step = "segment"
        self.follow()

    def _fold(self, name: str, isFolded: bool) -> None:
        self._sections[name].collapsed = isFolded
