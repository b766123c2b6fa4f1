"""The one exception that a user is meant to read."""


class MuscleFMError(Exception):
    """Something the user can mend.

    The message is one line that names the cause, then the remedy. The command
    line prints it and exits with code 2; the Slicer module shows it as it is.

    Parameters
    ----------
    cause : str
        What is wrong, without a full stop.
    remedy : str
        What the user can do about it, as a full clause.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        self.cause = " ".join(cause.split())
        self.remedy = " ".join(remedy.split())
        super().__init__(f"{self.cause}: {self.remedy}")
