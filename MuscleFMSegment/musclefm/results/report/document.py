"""The report: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import math

from musclefm import __version__
from musclefm.results.report.case import ReportCase
from musclefm.results.report.display import CaseDisplay
from musclefm.results.report.gallery import heat_legend, region_picture, slice_pictures
from musclefm.results.report.page_template import page_template
from musclefm.results.report.palettes import HEAT_FROM
from musclefm.results.report.profile_chart import profile_chart
from musclefm.results.report.summary import (
    muscle_rows,
    queue_entries,
    summarise,
)
from musclefm.review.leg_profile import PROFILE_TITLE
from musclefm.review.regions import DEFAULT_RULE

_SLICES_AT_MOST = 12
_THUMBNAILS_AT_MOST = 40


def render_report(case: ReportCase) -> str:
    """Return the report of a case as HTML.

    The file is self-contained: style and pictures are inside, there is no
    script, and its content security policy forbids every request.

    Parameters
    ----------
    case : ReportCase
        What the report tells.
    """
    display = CaseDisplay(case)
    summary = summarise(case)
    queue = queue_entries(case.regions, summary.wrong_voxels)
    sides, muscles = muscle_rows(case)
    return page_template("report").render(
        case=case,
        version=__version__,
        axis=display.slice_axis,
        summary=summary,
        profile=profile_chart(display),
        profile_title=PROFILE_TITLE,
        uncertain_from=DEFAULT_RULE.threshold,
        slices=slice_pictures(display, _SLICES_AT_MOST),
        heat_legend=heat_legend(),
        heat_from=HEAT_FROM,
        uncertainty_of_two=math.log(2) / case.maps.max_entropy,
        cards=[
            (entry, region_picture(display, entry.region)) for entry in queue[:_THUMBNAILS_AT_MOST]
        ],
        further=queue[_THUMBNAILS_AT_MOST:],
        sides=sides,
        muscles=muscles,
    )
