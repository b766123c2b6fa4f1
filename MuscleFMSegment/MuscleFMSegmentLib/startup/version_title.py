"""What to call an installed version of a model."""

from __future__ import annotations

from datetime import datetime, timezone

from slicer.i18n import tr as _

_FIRST = "base"
_TIME = "%Y%m%d-%H%M%S"
_LENGTH = len("20261125-170500")


def versionTitle(version: str) -> str:
    """Return a name for people, e.g. ``"the version of 25 Nov 2026, 17:05"``.

    Parameters
    ----------
    version : str
        Id of an installed version; it begins with the time, in UTC.
    """
    if version == _FIRST:
        return _("the first version")
    try:
        when = datetime.strptime(version[:_LENGTH], _TIME).replace(tzinfo=timezone.utc)
    except ValueError:
        return _("version {id}").format(id=version)
    return _("the version of {when}").format(when=f"{when.astimezone():%d %b %Y, %H:%M}")
