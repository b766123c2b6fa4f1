"""What a case under review reports to the panels."""

from __future__ import annotations

from typing import Protocol

from MuscleFMSegmentLib.scene.watching import CaseFault


class ReviewListener(Protocol):
    """Shows what changes in a case under review."""

    def onQueueChanged(self) -> None:
        """Statuses, position or share changed."""

    def onMeasured(self) -> None:
        """Volumes and fat fractions follow an edit."""

    def onVisited(self) -> None:
        """The reader looked at slices or muscles for the first time."""

    def onProposed(self, isProposed: bool) -> None:
        """An outline is shown that can be taken, or no longer."""

    def onCaseLost(self) -> None:
        """Volume or segmentation were deleted, or the scene is being closed."""

    def onFault(self, fault: CaseFault | None) -> None:
        """The user changed what must not be, or nothing of that is left."""

    def onFailed(self, error: Exception) -> None:
        """Something in the background went wrong."""
