"""The text of --helpshort: a command's purpose, and its flags in groups."""

import textwrap
from collections.abc import Sequence
from types import ModuleType

from absl import flags


def make(synopsis: str, flag_modules: Sequence[ModuleType]) -> str:
    """Returns the purpose of a command, and its flags in groups.

    Args:
        synopsis: The command's docstring.
        flag_modules: Modules with the command's flags. GROUPS in a module names
            the first flag of each group, and the group.
    """
    groups: dict[str, list[str]] = {}
    title = "Flags"
    for module in flag_modules:
        titles = getattr(module, "GROUPS", {})
        for flag in flags.FLAGS.get_key_flags_for_module(module):
            title = titles.get(flag.name, title)
            groups.setdefault(title, []).append(_summary(flag))
    lines = [synopsis.strip()]
    for title, summaries in groups.items():
        lines.append(title)
        lines += textwrap.wrap(
            "  ".join(summaries),
            width=79,
            initial_indent="  ",
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    lines.append("--version prints the version, --help explains each of them.")
    return "\n".join(lines)


def _summary(flag: flags.Flag) -> str:
    """Returns a flag with its default, as one word."""
    if flag.boolean:
        return f"--{'' if flag.default else '[no]'}{flag.name}"
    if flag.default is None:
        return f"--{flag.name}=…"
    default = (flag.default_as_str or "").strip("'")
    return f"--{flag.name}={default}" if default else f"--{flag.name}"
