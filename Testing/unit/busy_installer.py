"""Installs versions of a model one after the other; run as a script.

Arguments: a bundle, a folder to work in, how many, after how many to go back one step (0: never).
"""

import sys
from pathlib import Path

from made_bundles import variant

from musclefm.models.installation import install_version, roll_back


def main(bundle: Path, folder: Path, count: int, back_every: int) -> None:
    """Install, and go back now and then."""
    for number in range(1, count + 1):
        made = variant(bundle, folder / f"{number}", version=f"{folder.name}-{number}")
        print(number, flush=True)
        install_version(made)
        if back_every and number % back_every == 0:
            roll_back("tiny")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
