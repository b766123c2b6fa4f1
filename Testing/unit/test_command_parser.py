"""The parser of the command: it imports no more than the command that was named."""

import argparse
import subprocess
import sys

import pytest

from musclefm.cli.main import COMMANDS, build_parser


def choices(parser: argparse.ArgumentParser) -> set[str]:
    found = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return set(found[0].choices)


def test_the_table_names_all_commands_and_no_others() -> None:
    assert choices(build_parser()) == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("before", [[], ["--verbose", "--log-file", "learn"]])
def test_a_command_that_is_named_is_offered(command, before) -> None:
    assert command in choices(build_parser([*before, command, "--out", "segment"]))


@pytest.mark.parametrize("given", [[], ["--help"], ["segmnet", "segment"], ["--version"]])
def test_all_commands_are_offered_where_none_is_named(given) -> None:
    assert choices(build_parser(given)) == set(COMMANDS)


@pytest.mark.parametrize("given", [["models", "list"], ["info", "--help"]])
def test_a_quick_command_waits_for_no_library_of_others(given) -> None:
    code = (
        "import sys\n"
        "from musclefm.cli.main import main\n"
        "try:\n"
        f"    main({given})\n"
        "except SystemExit:\n"
        "    pass\n"
        "sys.exit(', '.join({'torch', 'scipy.stats', 'pandas', 'ray'} & set(sys.modules)) or 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
