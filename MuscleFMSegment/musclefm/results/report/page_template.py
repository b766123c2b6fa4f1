"""The templates of pages that need nothing but a browser: what is shown in them is escaped."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from musclefm.plain_text import printable
from musclefm.results.report.summary import number, percent, slice_range


@lru_cache
def page_template(folder: str) -> Template:
    """Return the template of the page that a folder of ``musclefm/results`` makes."""
    environment = Environment(
        loader=PackageLoader("musclefm.results", "."),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent}
    environment.globals["slice_range"] = slice_range
    return environment.get_template(f"{folder}/template.html.j2")


def _shown(value: object) -> object:
    """Keep control characters of titles, names and notes out; what a macro made is clean."""
    return printable(value) if type(value) is str else value
