"""What the maker of a model says of it, as the chooser shows it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

_MOST_METRICS = 6


def cardHtml(model: Mapping[str, Any]) -> str:
    """Return a model's card.

    Parameters
    ----------
    model : mapping
        As in ``musclefm inventory``.
    """
    if model["fault"]:
        return f"<p><b>{escape(model['name'])}</b></p><p>{escape(model['fault'])}</p>"
    dice = {name: value for name, value in model["metrics"].items() if name.endswith("dsc")}
    rows = {
        _("Use"): model["intended_use"],
        _("Labels"): f"{model['scheme_title']}: {', '.join(model['muscles'])}",
        _("Images"): ", ".join(model["channels"]),
        _("Members"): str(model["members"]),
        _("Dice"): ", ".join(
            f"{name.removesuffix('_dsc')} {value:.2f}"
            for name, value in list(dice.items())[:_MOST_METRICS]
        ),
        _("Training"): model["training_data"],
        _("Licence"): model["licence"],
    }
    table = "".join(
        f"<tr><td style='padding-right: 8px'><b>{escape(name)}</b></td><td>{escape(text)}</td></tr>"
        for name, text in rows.items()
        if text
    )
    return (
        f"<p><b>{escape(model['title'])}</b>, version {escape(model['version'])}</p>"
        f"<p>{escape(model['description'])}</p><table>{table}</table>"
    )
