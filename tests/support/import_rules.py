"""Checks that imports follow a table of folders; nothing is run.

A line of the table is `FOLDER: the folders of ours that it may import`. It
names only folders that stand above it, so there is no cycle. `records` is
short for tfrecord_builder/records, and so on. A folder may always import
itself, a command also flags/.
"""

import ast
import pathlib
import sys
from collections.abc import Iterator

PACKAGES = {
    "console",
    "flags",
    "sample_data",
    "storage",
    "tfrecord_builder",
    "trainer",
}
# The packages from outside that these may import; the others may any.
OUTSIDE = {"console": {"absl", "tqdm"}, "flags": {"absl"}}
TENSORFLOW = {"tensorflow", "keras", "keras_cv"}  # Take seconds to import.
# Without TensorFlow at module level. Commands too: trainer/__init__.py comes
# before it, where they run as a script.
WITHOUT_TENSORFLOW = PACKAGES - {"trainer"}


def read_table(text: str) -> dict[str, set[str]]:
    """Returns, by folder, the folders that it may import, itself included.

    Raises:
        ValueError: A name does not stand for exactly one folder above, or a
            folder has two lines.
    """
    allowed: dict[str, set[str]] = {}
    for line in text.replace("\n    ", " ").split("\n"):
        folder, _, names = line.partition(":")
        if folder in allowed:
            raise ValueError(f"{folder}: it has two lines")
        found = {folder}
        for name in names.split():
            matches = [p for p in allowed if f"/{p}".endswith(f"/{name}")]
            if len(matches) != 1:
                raise ValueError(f"{folder}: {name} is {matches} above it")
            found |= set(matches)
        if folder:
            allowed[folder] = found
    return allowed


def read_tree(root: pathlib.Path) -> dict[str, str]:
    """Returns {"trainer/main.py": its text, …} of the project's packages."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for package in sorted(PACKAGES)
        for path in sorted((root / package).rglob("*.py"))
    }


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def module_of(path: str) -> str:
    """The module's dotted name: "trainer/main.py" -> "trainer.main"."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def is_command(path: str) -> bool:
    """Whether a file is a command: main.py, and every file of trainer/."""
    folder, _, name = path.rpartition("/")
    return name == "main.py" or (folder == "trainer" and name != "__init__.py")


def imports_of(path: str, tree: ast.AST, modules: set[str]) -> set[str]:
    """Returns the modules that the import statements of a tree name.

    `from trainer.models import heads` names trainer.models.heads if that is
    one of `modules`, else trainer.models.
    """
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # Level 1 is the file's folder, level 2 the one above.
            folder = path.split("/")[: -node.level] if node.level else []
            base = ".".join([*folder, *filter(None, [node.module])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                # `from absl import flags` is kept complete: it has a rule.
                known = full in modules or base == "absl"
                named.add(full if known else base)
    return named


def module_level(tree: ast.Module) -> ast.Module:
    """Returns the tree without the bodies of its functions."""

    class Pruner(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.AST) -> None:  # noqa: N802
            return None

        visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    return Pruner().visit(tree)


def find_faults(sources: dict[str, str], table: str) -> list[str]:
    """Returns a line for each import or name that breaks a rule.

    Args:
        sources: Of read_tree().
        table: Which folder may import which.
    """
    allowed = read_table(table)
    folders = {folder_of(path) for path in sources}
    if folders != set(allowed):
        differ = sorted(folders ^ set(allowed))
        return [f"only in the tree or only in the table: {differ}"]
    paths = {module_of(path): path for path in sources}
    faults = []
    for path, text in sources.items():
        tree = ast.parse(text, path)
        for name in sorted(imports_of(path, tree, set(paths))):
            if fault := import_fault(path, name, allowed, paths):
                faults.append(f"{path}: {fault}")
        faults += [f"{path}: {fault}" for fault in name_faults(path, tree)]
    return faults


def import_fault(
    path: str, name: str, allowed: dict[str, set[str]], paths: dict[str, str]
) -> str:
    """Returns what is wrong with an import, "" if nothing is.

    Args:
        path: The file that imports.
        name: The module that it imports.
        allowed: Of read_table().
        paths: By module of the project, its file.
    """
    top, target = name.partition(".")[0], paths.get(name, "")
    package = path.partition("/")[0]
    if target and is_command(target):
        return f"{name} is a command; nobody imports it"
    if top in PACKAGES:
        may = folder_of(target) in allowed[folder_of(path)]
        may |= top == "flags" and is_command(path)
        return "" if may else f"may not import {name}"
    siblings = {module.rpartition(".")[2] for module in paths}
    if name in siblings - sys.stdlib_module_names:
        return f"import {name} by its package's name"
    if name == "absl.flags" and package not in ("console", "flags"):
        return "" if is_command(path) else "absl.flags is for commands"
    if top == "keras_cv" and path != "trainer/models/backbones.py":
        return "keras_cv is for trainer/models/backbones.py"
    outside = OUTSIDE.get(package, {top}) | sys.stdlib_module_names
    return "" if top in outside else f"{package}/ may not import {name}"


def name_faults(path: str, tree: ast.Module) -> Iterator[str]:
    """Yields uses of FLAGS, and imports at module level, that may not be."""
    # console/ parses the flags for the commands.
    if not is_command(path) and not path.startswith("console/"):
        for node in ast.walk(tree):
            names = getattr(node, "attr", ""), getattr(node, "id", "")
            if "FLAGS" in names:
                yield f"line {node.lineno}: only commands read FLAGS"
    if path.partition("/")[0] in WITHOUT_TENSORFLOW or is_command(path):
        for name in sorted(imports_of(path, module_level(tree), set())):
            if name.partition(".")[0] in TENSORFLOW:
                yield f"{name} is imported at module level"
