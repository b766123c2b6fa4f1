"""Lets ``python -m musclefm`` stand for the ``musclefm`` command."""

import sys

from musclefm.cli.main import main

sys.exit(main())
