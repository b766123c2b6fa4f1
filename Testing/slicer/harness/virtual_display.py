"""A screen of the tests' own, by Xvfb."""

from __future__ import annotations

import os
import subprocess


class VirtualDisplay:
    """An Xvfb server that ends with the tests.

    Attributes
    ----------
    name
        What goes into ``DISPLAY``.

    Raises
    ------
    RuntimeError
        Where Xvfb is not installed or does not start.
    """

    def __init__(self, width: int = 1600, height: int = 1000) -> None:
        reader, writer = os.pipe()
        command = ["Xvfb", "-displayfd", str(writer), "-nolisten", "tcp"]
        # It ends with its last client, also where that one crashed.
        command += ["-screen", "0", f"{width}x{height}x24", "-terminate"]
        try:
            self._server = subprocess.Popen(
                command, pass_fds=(writer,), stderr=subprocess.DEVNULL, start_new_session=True
            )
        except FileNotFoundError as error:
            raise RuntimeError("Xvfb is missing: install the Debian package xvfb") from error
        finally:
            os.close(writer)
        with os.fdopen(reader) as stream:
            number = stream.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start")
        self.name = f":{number}"

    def stop(self) -> None:
        """End the server."""
        self._server.terminate()
        self._server.wait()
