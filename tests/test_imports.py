"""Imports run one way; the rules are read off the sources, nothing is run.

    main files -> the rest of their package
               -> tfrecord_builder.{dataset_info, example, parquet_reader,
                  resize, row_spool} -> storage

`flags/` needs absl alone. Each rule is tried on a small bad tree first, so
that a rule that can no longer fail is seen.
"""

import ast
import importlib.metadata
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("flags", "sample_data", "storage", "tfrecord_builder", "trainer")
# Commands. They read FLAGS, and nobody imports them.
MAINS = {"main", "evaluate", "predict", "report", "export"}
SHARED = {
    f"tfrecord_builder.{name}"
    for name in (
        "dataset_info",
        "example",
        "parquet_reader",
        "resize",
        "row_spool",
    )
}
# What the shared modules are made of; the trainer does not see it.
BEHIND = {"tfrecord_builder.parquet_files", "tfrecord_builder.pixels"}
TENSORFLOW = {"tensorflow", "keras", "keras_cv"}
# Packages that must start without TensorFlow (it takes 8 s to import).
LIGHT = {"flags", "sample_data", "storage", "tfrecord_builder"}
# Folders that are sys.path[0] when a main in them runs as a script.
SCRIPT_FOLDERS = ("sample_data", "tfrecord_builder", "trainer")


def read_tree(root: pathlib.Path) -> dict[str, str]:
    """Returns {"trainer/model.py": its text, …} of the project's packages."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }


def module_of(path: str) -> str:
    """The module's dotted name: "trainer/model.py" -> "trainer.model"."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_of(path: str, node: ast.AST, modules: set[str]) -> set[str]:
    """Returns the modules that the import statements below `node` name.

    `from trainer import model` names trainer.model if that is one of
    `modules`, else trainer.
    """
    named = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            named |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            # Level 1 is the file's folder, level 2 the one above.
            folder = path.split("/")[: -child.level] if child.level else []
            base = ".".join([*folder, *filter(None, [child.module])])
            for alias in child.names:
                full = f"{base}.{alias.name}"
                # `from absl import flags` is kept whole to be told from others.
                known = full in modules or base == "absl"
                named.add(full if known else base)
    return named


def module_level(tree: ast.Module) -> ast.Module:
    """Returns the tree without the bodies of its functions."""

    class Pruner(ast.NodeTransformer):
        def visit_FunctionDef(self, node):  # noqa: N802 (ast's own name)
            return None

        visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    return Pruner().visit(tree)


def may_import(importer: str, imported: str) -> bool:
    """Tells whether one of our modules may import another of ours."""
    package, stem = importer.partition(".")[0], importer.rpartition(".")[2]
    target = imported.partition(".")[0]
    if target != package and imported.rpartition(".")[2] in MAINS:
        return False
    if target == "flags":
        return package == "flags" or stem in MAINS
    if package in ("flags", "storage"):
        return target == package
    if importer in SHARED | BEHIND:
        inner = SHARED | BEHIND | {"tfrecord_builder"}
        return imported in inner or target == "storage"
    if target in (package, "storage"):
        return True
    if package == "sample_data":
        return imported == "tfrecord_builder.progress_bar"
    return package == "trainer" and imported in SHARED | {"tfrecord_builder"}


def find_faults(sources: dict[str, str]) -> list[str]:
    """Returns a line for each import or name that breaks a rule."""
    modules = {module_of(path) for path in sources}
    siblings = {module.rpartition(".")[2] for module in modules} - set(PACKAGES)
    faults = []
    for path, text in sources.items():
        module, package = module_of(path), path.partition("/")[0]
        stem = module.rpartition(".")[2]
        tree = ast.parse(text, path)
        for name in sorted(imports_of(path, tree, modules)):
            top, last = name.partition(".")[0], name.rpartition(".")[2]
            ours = top in PACKAGES
            if ours and not may_import(module, name):
                faults.append(f"{path}: may not import {name}")
            elif ours and last in MAINS:
                faults.append(f"{path}: {name} is a command; nobody imports it")
            if name in siblings and name not in sys.stdlib_module_names:
                faults.append(f"{path}: import {name} by its package's name")
            if top == "keras_cv" and module != "trainer.backbones":
                faults.append(f"{path}: keras_cv is for trainer/backbones.py")
            if (
                name == "absl.flags"
                and package != "flags"
                and stem not in MAINS
            ):
                faults.append(f"{path}: flags are for flags/ and the commands")
            allowed = {"absl", *PACKAGES} | sys.stdlib_module_names
            if package == "flags" and top not in allowed:
                faults.append(f"{path}: flags/ needs absl alone, not {name}")
        # flags/command.py parses the flags for the commands.
        if stem not in MAINS and module != "flags.command":
            faults += [
                f"{path}:{node.lineno}: FLAGS is read by commands alone"
                for node in ast.walk(tree)
                if "FLAGS"
                in (getattr(node, "attr", ""), getattr(node, "id", ""))
            ]
        if package in LIGHT:
            outer = imports_of(path, module_level(tree), modules)
            faults += [
                f"{path}: {name} is imported at module level"
                for name in sorted(outer)
                if name.partition(".")[0] in TENSORFLOW
            ]
    return faults


def test_project():
    sources = read_tree(ROOT)
    assert {path.partition("/")[0] for path in sources} == set(PACKAGES)
    assert find_faults(sources) == []


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("storage/local.py", "import trainer.model", "may not import"),
        ("storage/local.py", "from tfrecord_builder import example", "may not"),
        ("sample_data/draw.py", "import tfrecord_builder.example", "may not"),
        ("tfrecord_builder/example.py", "import sample_data", "may not"),
        (
            "tfrecord_builder/example.py",
            "import tfrecord_builder.writer",
            "may not import tfrecord_builder.writer",
        ),
        ("tfrecord_builder/writer.py", "import trainer.model", "may not"),
        ("tfrecord_builder/pixels.py", "import trainer.model", "may not"),
        ("trainer/model.py", "from tfrecord_builder import writer", "may not"),
        ("trainer/model.py", "import tfrecord_builder.pixels", "may not"),
        ("trainer/model.py", "def f():\n  import sample_data.main", "may not"),
        ("trainer/model.py", "from flags import trainer_flags", "may not"),
        ("trainer/model.py", "from trainer import predict", "is a command"),
        ("trainer/model.py", "from . import main", "is a command"),
        ("trainer/main.py", "import trainer.evaluate", "is a command"),
        ("trainer/main.py", "import model", "by its package's name"),
        ("trainer/model.py", "import keras_cv.models", "backbones.py"),
        ("trainer/model.py", "from absl import flags", "flags are for"),
        ("trainer/model.py", "def f(flags): return flags.FLAGS.x", "FLAGS is"),
        ("flags/trainer_flags.py", "import numpy as np", "absl alone"),
        ("flags/trainer_flags.py", "import trainer.model", "may not import"),
        ("storage/gcs.py", "import tensorflow as tf", "at module level"),
        ("sample_data/main.py", "from keras import ops", "at module level"),
    ],
)
def test_fault_is_found(path, text, fault):
    tree = dict.fromkeys(
        (
            "flags/trainer_flags.py",
            "sample_data/main.py",
            "tfrecord_builder/example.py",
            "tfrecord_builder/writer.py",
            "trainer/evaluate.py",
            "trainer/main.py",
            "trainer/model.py",
            "trainer/predict.py",
        ),
        "",
    )
    (found,) = find_faults(tree | {path: text})
    assert found.startswith(path)
    assert fault in found


def test_allowed_imports():
    assert (
        find_faults(
            {
                "flags/trainer_flags.py": "from absl import flags",
                "storage/local.py": "import os, storage.errors",
                "tfrecord_builder/example.py": "def f():\n  import tensorflow",
                "tfrecord_builder/writer.py": "from . import example",
                "trainer/backbones.py": "import keras_cv, tensorflow",
                "trainer/model.py": "from tfrecord_builder import example\n"
                "from trainer import backbones",
                "trainer/main.py": "from absl import flags\n"
                "from flags import trainer_flags\n"
                "from trainer import model\nimport storage\n"
                "print(flags.FLAGS.seed)",
            }
        )
        == []
    )


def test_no_module_hides_another():
    """A script's folder comes first on sys.path, before installed ones."""
    installed = {
        name
        for name, owners in importlib.metadata.packages_distributions().items()
        if set(owners) != {"bengali-trainer"}
    }
    taken = installed | sys.stdlib_module_names
    ours = {
        f"{folder}/{path.name}": path.stem
        for folder in SCRIPT_FOLDERS
        for path in (ROOT / folder).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {path for path, name in ours.items() if name in taken} == set()
    assert set(PACKAGES) & taken == set()
    assert "numpy" in taken
