"""The card of a model, as its maker wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

from musclefm.plain_text import printable

_MOST_METRICS = 6
# A word that is longer, as a hash is, would make the card wider than the panel.
_LONG_WORD = re.compile(r"\S{24}(?=\S)")
_MAY_BREAK = "\u200b"


def cardHtml(model: Mapping[str, Any]) -> str:
    """Return a model's card.

    Parameters
    ----------
    model : mapping
        As in ``musclefm inventory``.
    """
    if model["fault"]:
        return f"<p><b>{_shown(model['name'])}</b></p><p>{_shown(model['fault'])}</p>"
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
    version = _("version {name}").format(name=_shown(model["version"]))
    return (
        f"<p><b>{_shown(model['title'])}</b>, {version}</p>"
        f"<p>{_shown(model['description'])}</p>{_table(rows)}"
    )


def downloadHtml(entry: Mapping[str, Any]) -> str:
    """Return what is known of weights before they are downloaded.

    Parameters
    ----------
    entry : mapping
        Of the downloads in ``musclefm inventory``.
    """
    rows = {
        _("Use"): _("weights to train a model from; they segment once they were trained"),
        _("Size"): _("{size:.0f} MB").format(size=entry["bytes"] / 1e6),
        _("Licence"): entry["licence"],
        _("From"): entry["host"],
    }
    address = escape(printable(entry["page"]), quote=True)
    return (
        f"<p><b>{_shown(entry['title'])}</b></p>{_table(rows)}"
        f"<p><a href='{address}'>{address}</a></p>"
    )


def _table(rows: Mapping[str, str]) -> str:
    lines = (
        f"<tr><td style='padding-right: 8px'><b>{_shown(name)}</b></td><td>{_shown(text)}</td></tr>"
        for name, text in rows.items()
        if text
    )
    return f"<table>{''.join(lines)}</table>"


def _shown(text: str) -> str:
    return escape(_LONG_WORD.sub(rf"\g<0>{_MAY_BREAK}", printable(text)))
