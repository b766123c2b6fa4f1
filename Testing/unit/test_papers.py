"""What people read about the project is true of the code: links, commands, pictures."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from musclefm.cli.main import build_parser

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "Resources" / "Docs"
PAPERS = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")])
LONGEST_README = 150

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
SHELL = re.compile(r"```bash\n(.*?)```", re.DOTALL)
PLACE = re.compile(r"^\| .+ \| `([^`]+\.py)` \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:Testing|Resources|MuscleFMSegment)/[\w./-]+\.\w+)`")


def name_of(paper: Path) -> str:
    return paper.relative_to(REPOSITORY).as_posix()


def commands_of(paper: Path) -> list[str]:
    lines = [
        line.split("#")[0].strip()
        for block in SHELL.findall(paper.read_text("utf-8"))
        for line in block.splitlines()
    ]
    return [line for line in lines if line.startswith("musclefm ")]


@pytest.mark.parametrize("paper", PAPERS, ids=name_of)
def test_what_a_paper_points_to_exists(paper: Path) -> None:
    text = paper.read_text("utf-8")
    targets = [target for target, _ in LINK.findall(text) if "://" not in target]
    missing = [target for target in targets if not (paper.parent / target).exists()]
    missing += [path for path in NAMED.findall(text) if not (REPOSITORY / path).exists()]
    assert not missing


@pytest.mark.parametrize(
    "command", sorted({command for paper in PAPERS for command in commands_of(paper)})
)
def test_the_command_line_takes_what_the_papers_show(command: str) -> None:
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    assert callable(arguments.run)


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text("utf-8").splitlines()) <= LONGEST_README


def test_each_question_has_one_file_as_its_answer() -> None:
    places = PLACE.findall((DOCS / "architecture.md").read_text("utf-8"))
    assert len(places) == len(set(places)) >= 15
    missing = [path for path in places if not (REPOSITORY / "MuscleFMSegment" / path).is_file()]
    assert not missing


def test_the_picture_of_the_layers_is_the_codes() -> None:
    draw = runpy.run_path(str(REPOSITORY / "Testing" / "packaging" / "draw_layers.py"))
    assert (DOCS / "layers.svg").read_text("utf-8") == draw["drawing"](), (
        "run `python Testing/packaging/draw_layers.py`"
    )
