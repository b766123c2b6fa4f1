"""Who is told what changes in a case under review."""

from __future__ import annotations

from typing import Protocol


class ReviewListener(Protocol):
    """Shows what changes."""

    def onQueueChanged(self) -> None:
        """Statuses, position or share changed."""

    def onMeasured(self) -> None:
        """Volumes and fat fractions follow an edit."""

    def onCaseLost(self) -> None:
        """Volume or segmentation were deleted, or the scene is being closed."""

    def onFailed(self, error: Exception) -> None:
        """Something in the background went wrong."""
