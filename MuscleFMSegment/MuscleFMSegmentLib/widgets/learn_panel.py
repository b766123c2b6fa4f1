"""Learning from corrections: what there is, how far it is, and old against new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from slicer.i18n import tr as _

from musclefm.plain_text import printable
from MuscleFMSegmentLib.process.progress_updates import ProgressUpdate
from MuscleFMSegmentLib.widgets.table_cells import plainToolTip, prepareTable, setCell
from MuscleFMSegmentLib.widgets.ui_files import loadForm, widgetsOf

_MUSCLE, _DICE, _ECE, _WRONG, _P, _VERDICT = range(6)
_SMALLEST_P = 0.001

# How the ids of installed versions begin, in UTC.
_FIRST_VERSION, _VERSION_TIME = "base", "%Y%m%d-%H%M%S"
_VERSION_LENGTH = len("20261125-170500")

# Persons: the paired test of fewer cannot give a p below 0.05.
_FEWEST = 6


class LearnPanel:
    """The panel; nothing is run here.

    Parameters
    ----------
    onLearn : callable
        The button that starts, resumes and stops.
    onUse, onDiscard : callable
        What becomes of the new version.
    onBack : callable
        Go back to the former version.
    """

    def __init__(
        self,
        onLearn: Callable[[], None],
        onUse: Callable[[], None],
        onDiscard: Callable[[], None],
        onBack: Callable[[], None],
    ) -> None:
        self.form = loadForm("LearnPanel")
        self.ui = widgetsOf(self.form)
        ui = self.ui
        ui.learnButton.connect("clicked()", onLearn)
        ui.useButton.connect("clicked()", onUse)
        ui.discardButton.connect("clicked()", onDiscard)
        ui.backButton.connect("clicked()", onBack)
        prepareTable(ui.comparisonTable, stretched=_MUSCLE)
        ui.learnProgressFrame.setVisible(False)
        ui.learnLogGroup.collapsed = True
        ui.learnLogGroup.setVisible(False)
        self.clear()

    def clear(self) -> None:
        """Show that nothing is known yet."""
        self.ui.learnLabel.text = ""
        self.ui.learnButton.setEnabled(False)
        self.ui.versionLabel.text = ""
        self.ui.backButton.setVisible(False)
        self.hideComparison()

    def showStatus(self, status: Mapping[str, Any]) -> None:
        """Show what ``musclefm learn --status`` printed."""
        ui = self.ui
        ui.learnLabel.text = "\n".join([_summary(status), *status["left_out"]])
        underWay = status["state"] == "under way"
        ui.learnButton.text = _("Resume learning") if underWay else _("Learn from corrections")
        isEnough = status["subjects"] >= status["needed_subjects"] and status["new"] > 0
        isDone = status["state"] == "finished" and status["up_to_date"]
        ui.learnButton.setEnabled(isEnough and not isDone)
        version, former = status["installed_version"], status["former_version"]
        ui.versionLabel.text = (
            _("In use: {version}.").format(version=versionTitle(version)) if version else ""
        )
        ui.backButton.setVisible(bool(former))
        ui.backButton.text = _("Go back")
        ui.backButton.toolTip = plainToolTip(
            _("Use {version} again; this one stays, too").format(version=versionTitle(former))
        )

    def showRunning(self, running: bool) -> None:
        """Show a learning as begun or ended."""
        ui = self.ui
        ui.learnProgressFrame.setVisible(running)
        if running:
            ui.learnButton.text = _("Stop")
            ui.learnButton.setEnabled(True)
            self.hideComparison()
            ui.learnLogText.clear()
            ui.learnLogGroup.setVisible(True)
            self.showProgress(ProgressUpdate(0.0, _("Starting")))

    def showStopping(self) -> None:
        """Show that the learning is being stopped."""
        self.ui.learnButton.setEnabled(False)
        self.ui.learnProgressLabel.text = _("Stopping")

    def showProgress(self, update: ProgressUpdate) -> None:
        """Show how far the learning is."""
        self.ui.learnProgressBar.setValue(round(1000 * update.fraction))
        self.ui.learnProgressLabel.text = update.text

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.ui.learnLogText.appendPlainText(printable(line))

    def setBusy(self, busy: bool) -> None:
        """Let nothing be pressed while versions change."""
        self.form.setEnabled(not busy)

    def hideComparison(self) -> None:
        """Show no comparison."""
        self.ui.comparisonFrame.setVisible(False)

    def showComparison(
        self, comparison: Mapping[str, Any], abbreviations: Mapping[str, str]
    ) -> None:
        """Show old against new, and offer the new version where it is not worse.

        Parameters
        ----------
        comparison : mapping
            As ``musclefm learn`` writes it.
        abbreviations : mapping of str to str
            Short forms of the muscles' names.
        """
        ui = self.ui
        ui.verdictLabel.text = _verdict(comparison)
        muscles = comparison["muscles"]
        table = ui.comparisonTable
        table.setRowCount(1 + len(muscles))
        for row, figure in enumerate((_overall(comparison), *muscles)):
            name = figure["name"]
            setCell(table, row, _MUSCLE, abbreviations.get(name, name), toolTip=name)
            setCell(table, row, _DICE, _change(figure, "dice", ".3f"), isNumber=True)
            setCell(table, row, _ECE, _change(figure, "ece", ".1%"), isNumber=True)
            wrong = _change(figure, "expected_wrong_ml", ".1f")
            setCell(table, row, _WRONG, wrong, isNumber=True)
            setCell(table, row, _P, _pText(figure["p"]), isNumber=True)
            verdict = {
                "better": _("better"),
                "not different": _("not different"),
                "worse": _("worse"),
            }[figure["verdict"]]
            setCell(table, row, _VERDICT, verdict)
        ui.useButton.setVisible(comparison["not_worse"])
        ui.discardButton.setVisible(True)
        ui.comparisonFrame.setVisible(True)


def versionTitle(version: str) -> str:
    """Return a name for people, e.g. ``"the version of 25 Nov 2026, 17:05"``.

    Parameters
    ----------
    version : str
        Id of an installed version; it begins with the time, in UTC.
    """
    if version == _FIRST_VERSION:
        return _("the first version")
    try:
        when = datetime.strptime(version[:_VERSION_LENGTH], _VERSION_TIME).replace(
            tzinfo=timezone.utc
        )
    except ValueError:
        return _("version {id}").format(id=version)
    return _("the version of {when}").format(when=f"{when.astimezone():%d %b %Y, %H:%M}")


def _summary(status: Mapping[str, Any]) -> str:
    samples, new, needed = status["samples"], status["new"], status["needed_subjects"]
    if samples == 0:
        return _("No corrected case is stored yet: correct and save some, and the model can learn.")
    text = _("{count} corrected cases are stored").format(count=samples)
    if samples == 1:
        text = _("1 corrected case is stored")
    if new == 0:
        return text + _("; this model has learned from all of them.")
    text += _(", {new} of them new to this model.").format(new=new)
    if status["subjects"] < needed:
        text += " " + _("Cases of at least {needed} persons are needed to learn.").format(
            needed=needed
        )
    return text


def _overall(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first row of the table, as the comparison has the others."""
    figures = {
        f"{which}_{name}": comparison[which].get(name)
        for which in ("old", "new")
        for name in ("dice", "ece", "expected_wrong_ml")
    }
    names = {"p": comparison["p"], "verdict": comparison["verdict"]}
    return figures | names | {"name": _("All")}


def _verdict(comparison: Mapping[str, Any]) -> str:
    cases, overall = comparison["cases"], _overall(comparison)
    text = {
        "better": _("The new version is better"),
        "not different": _("The new version is not different"),
        "worse": _("The new version is worse"),
    }[comparison["verdict"]]
    text += _(": mean Dice {change} on {held}").format(
        change=_change(overall, "dice", ".3f"),
        held=_("1 held-out case") if cases == 1 else _("{n} held-out cases").format(n=cases),
    )
    isTooFew = comparison["subjects"] < _FEWEST and comparison["verdict"] == "not different"
    text += _(", too few for the test to show a difference.") if isTooFew else "."
    if comparison["not_worse"]:
        return text + " " + _("Use it from now on?")
    return f"{text} {_('It is not offered:')} {'; '.join(comparison['reasons'])}."


def _change(figure: Mapping[str, Any], name: str, form: str) -> str:
    values = (figure.get(f"old_{name}"), figure.get(f"new_{name}"))
    if values == (None, None):
        return "–"
    return " → ".join("–" if value is None else format(value, form) for value in values)


def _pText(p: float) -> str:
    return f"<{_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.2g}"
