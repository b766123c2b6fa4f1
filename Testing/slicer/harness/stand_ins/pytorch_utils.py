"""Stand-in for PyTorchUtils, the PyTorch extension's module: notes what it is asked for."""

from __future__ import annotations

from typing import Any

INSTALLATIONS: list[dict[str, Any]] = []
"""The arguments of every installation that was asked for; a test may read and clear it."""


class PyTorchUtilsLogic:
    """The logic of the extension."""

    def installTorch(
        self,
        askConfirmation: bool = False,
        forceComputationBackend: str | None = None,
        torchVersionRequirement: str | None = None,
        torchvisionVersionRequirement: str | None = None,
    ) -> None:
        """Note the installation."""
        INSTALLATIONS.append(
            {
                "askConfirmation": askConfirmation,
                "forceComputationBackend": forceComputationBackend,
                "torchVersionRequirement": torchVersionRequirement,
                "torchvisionVersionRequirement": torchvisionVersionRequirement,
            }
        )
