"""Library and module speak the field's words: identifiers and texts, read from the code itself."""

import ast
import io
import re
import tokenize
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import musclefm

LIBRARY = Path(musclefm.__file__).parent
TESTS = Path(__file__).resolve().parents[1]
MODULE = TESTS.parent / "MuscleFMSegment"

# What stands for which word of the field. A pattern is matched to whole words, in lower case.
IN_TEXTS = {
    r"told": "reported, known, message; name what the function does",
    r"doubt(s|ful)?": "uncertainty, uncertain",
    r"wasted|wasting": "atrophied, atrophy",
    r"teach(es|ing)?|taught": "trainable samples, training data",
    r"foreign": "external",
    r"polite(ly)?": "only where unassigned",
    r"dealt with": "resolved",
    r"vouch(es|ed)?": "verified",
    r"mend(s|ed)?": "fix, repair",
    r"(go|goes|gone|going) on (with|from|where|when|as)": "resume",
    r"a yes": "confirmation",
    r"say it with": "confirm with",
    r"most doubtful": "most expected errors",
    r"grown probabilities": "upsampled",
    r"starts? for training": "pretrained checkpoint",
}
IN_IDENTIFIERS = IN_TEXTS | {
    r"said|saying": "message, text",
    r"standing": "progress update",
    r"waste": "atrophy",
    r"gated?|gating": "member selection",
    r"vary|varied|unvaried|variation": "augment, augmentation, original",
    r"grown": "upsampled, dilated",
    r"walk": "navigation",
    r"placement": "alignment",
}
# What tests and benchmarks say, too, would be looked up in vain.
IN_TESTS = {
    pattern: IN_IDENTIFIERS[pattern]
    for pattern in (
        r"told", r"doubt(s|ful)?", r"wasted|wasting", r"vouch(es|ed)?", r"standing",
    )
}  # fmt: skip
# Names that Python, NumPy, PyTorch and the like give.
ANOTHERS = {"walk"}


def words(name: str) -> str:
    """Return the words of an identifier: of ``_toldOf_all`` "told of all"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower().strip()


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield what the code itself names; names that are only used are named elsewhere."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def texts(tree: ast.AST, source: str) -> Iterator[tuple[int, str]]:
    """Yield docstrings, messages and comments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def found_in(
    source: str,
    in_identifiers: Mapping[str, str] = IN_IDENTIFIERS,
    in_texts: Mapping[str, str] = IN_TEXTS,
) -> list[str]:
    """Return what of the dialect a file holds, with its line and the field's word."""
    tree = ast.parse(source)
    named = [(line, words(name), in_identifiers) for line, name in identifiers(tree)]
    named += [
        (line, " ".join(text.lower().split()), in_texts) for line, text in texts(tree, source)
    ]
    return [
        f"line {line}: '{match[0]}', in the field's words {better}"
        for line, text, dialect in named
        for pattern, better in dialect.items()
        if (match := re.search(rf"\b(?:{pattern})\b", text)) and match[0] not in ANOTHERS
    ]


def test_the_library_speaks_the_fields_words() -> None:
    files = sorted(LIBRARY.rglob("*.py"))
    found = {str(path.relative_to(LIBRARY)): found_in(path.read_text("utf-8")) for path in files}
    assert {file: lines for file, lines in found.items() if lines} == {}
    assert len(found) > 200


def test_the_module_speaks_the_fields_words() -> None:
    files = [MODULE / "MuscleFMSegment.py", *sorted((MODULE / "MuscleFMSegmentLib").rglob("*.py"))]
    found = {path.name: found_in(path.read_text("utf-8")) for path in files}
    assert {file: lines for file, lines in found.items() if lines} == {}
    assert len(found) > 30


def test_the_tests_speak_the_fields_words() -> None:
    files = sorted(set(TESTS.rglob("*.py")) - {Path(__file__)})
    found = {str(path): found_in(path.read_text("utf-8"), IN_TESTS, IN_TESTS) for path in files}
    assert {file: lines for file, lines in found.items() if lines} == {}
    assert len(found) > 200


def test_the_forms_speak_the_fields_words() -> None:
    shown = {
        (form.name, element.text or "")
        for form in (MODULE / "Resources" / "UI").glob("*.ui")
        for element in ET.parse(form).iter("string")
    }
    found = {
        (form, text, pattern)
        for form, text in shown
        for pattern in IN_TEXTS
        if re.search(rf"\b(?:{pattern})\b", text.lower())
    }
    assert len(shown) > 50 and not found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def _told(): pass", 1),
        ("def f(variation, saidSo): 'What the reader is told.'", 3),
        ("patience = 3  # early stopping", 0),
        ("# goes on with the last epoch", 1),
        ("x = 'the muscle grown from a seed; a foreign body'", 1),
        ("for place in os.walk(folder): pass", 0),
    ],
)
def test_the_check_sees_dialect_and_leaves_the_fields_words(source: str, count: int) -> None:
    assert len(found_in(source)) == count
