"""Which folder may import which; read off the sources, nothing is run.

Each rule is also tried on a small bad tree, so that a rule that can no longer
fail is seen.
"""

import importlib.metadata
import pathlib
import sys

import import_rules
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# FOLDER: what it may import besides itself; import_rules.py reads it.
TABLE = """
console:
flags:
flags/trainer:
storage:
storage/ownership: storage
sample_data: console storage

tfrecord_builder/records: storage
tfrecord_builder/parquet: storage records
tfrecord_builder/planning: storage records parquet
tfrecord_builder/building: console storage ownership records parquet planning
tfrecord_builder/beam_engine: storage records parquet planning building
tfrecord_builder: console storage records parquet planning building beam_engine

trainer/runtime: console storage
trainer/augmentation: console storage
trainer/models: console storage records
trainer/stream: console storage records augmentation
trainer/evaluation: console storage records runtime models stream
trainer/backup: console storage ownership records runtime stream
trainer/training: console storage records runtime augmentation models stream
    evaluation backup
trainer/outputs/templates:
trainer/outputs/report: console storage records runtime stream evaluation
    templates
trainer/outputs: console storage records runtime augmentation models stream
    evaluation report templates
trainer/inference: console storage records parquet models
trainer: console storage ownership records parquet runtime augmentation models
    stream evaluation backup training report outputs inference
"""
# Folders that are sys.path[0] when a command in them runs as a script.
SCRIPT_FOLDERS = ("sample_data", "tfrecord_builder", "trainer")
MAX_ENTRIES = 16  # Of a folder, without __init__.py.


def test_project():
    sources = import_rules.read_tree(ROOT)
    assert import_rules.find_faults(sources, TABLE) == []


SMALL_TABLE = """
console:
flags:
flags/trainer:
storage:
sample_data: storage
tfrecord_builder/records: storage
tfrecord_builder/building: storage records
tfrecord_builder: storage records building
trainer/models: storage
    records
trainer: records models
"""
SMALL_TREE = {
    "console/command.py": "import tqdm\nfrom absl import flags\nflags.FLAGS",
    "flags/trainer/main_flags.py": "from absl import flags",
    "flags/builder_flags.py": "import os",
    "sample_data/main.py": "from flags import builder_flags",
    "storage/folder.py": "def f():\n  import tensorflow",
    "tfrecord_builder/records/example.py": "import storage.folder",
    "tfrecord_builder/building/builder.py": "from ..records import example",
    "tfrecord_builder/run.py": "import tfrecord_builder.building.builder",
    "trainer/__init__.py": "",
    "trainer/models/backbones.py": "import keras_cv, tensorflow",
    "trainer/models/heads.py": "from trainer.models import backbones\n"
    "from tfrecord_builder.records import example",
    "trainer/main.py": "from absl import flags\n"
    "from flags.trainer import main_flags\n"
    "from trainer.models import heads\n"
    "print(flags.FLAGS.seed)",
    "trainer/evaluate.py": "",
}


def test_good_tree():
    assert import_rules.find_faults(SMALL_TREE, SMALL_TABLE) == []


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("console/bar.py", "import storage.folder", "may not import storage"),
        ("console/bar.py", "import numpy", "console/ may not import numpy"),
        ("flags/builder_flags.py", "import numpy as np", "may not import num"),
        ("flags/builder_flags.py", "import trainer.models.heads", "may not"),
        ("flags/trainer/a_flags.py", "from flags import builder_flags", "may"),
        ("storage/folder.py", "import trainer.models.heads", "may not import"),
        ("storage/folder.py", "import tensorflow as tf", "at module level"),
        (
            "sample_data/draw.py",
            "import tfrecord_builder.run",
            "may not import",
        ),
        ("sample_data/main.py", "from keras import ops", "at module level"),
        ("trainer/main.py", "import keras", "at module level"),
        (
            "tfrecord_builder/records/example.py",
            "from tfrecord_builder.building import builder",
            "may not import tfrecord_builder.building.builder",
        ),
        ("tfrecord_builder/run.py", "import trainer.models.heads", "may not"),
        ("tfrecord_builder/run.py", "from flags import builder_flags", "may"),
        (
            "trainer/models/heads.py",
            "from tfrecord_builder.building import builder",
            "may not import tfrecord_builder.building.builder",
        ),
        (
            "trainer/main.py",
            "def f():\n  import tfrecord_builder.building.builder",
            "may not import tfrecord_builder.building.builder",
        ),
        (
            "trainer/models/heads.py",
            "from flags.trainer import main_flags",
            "m",
        ),
        ("trainer/models/heads.py", "from trainer import evaluate", "command"),
        ("trainer/models/heads.py", "from .. import main", "is a command"),
        ("trainer/main.py", "import trainer.evaluate", "is a command"),
        ("trainer/main.py", "import heads", "by its package's name"),
        ("trainer/models/heads.py", "import trainer", "may not import trainer"),
        ("trainer/models/heads.py", "import keras_cv.models", "backbones.py"),
        ("trainer/models/heads.py", "from absl import flags", "for commands"),
        ("trainer/models/heads.py", "def f(g): g.FLAGS", "line 1: only comm"),
        ("trainer/models/heads.py", "FLAGS = {}", "only commands read FLAGS"),
    ],
)
def test_fault_is_found(path, text, fault):
    (found,) = import_rules.find_faults(SMALL_TREE | {path: text}, SMALL_TABLE)
    assert found.startswith(f"{path}: ")
    assert fault in found


def test_table_and_tree_have_the_same_folders():
    (found,) = import_rules.find_faults(
        SMALL_TREE | {"trainer/stream/order.py": ""},
        SMALL_TABLE + "trainer/gone:",
    )
    assert found.endswith("['trainer/gone', 'trainer/stream']")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a: b\nb: a", r"a: b is \[\] above it"),  # A cycle.
        ("a:\nb/c: a d", r"b/c: d is \[\] above it"),
        ("a/c:\nb/c:\nd: c", r"d: c is \['a/c', 'b/c'\] above it"),
        ("a:\na:", "a: it has two lines"),
    ],
)
def test_bad_table_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        import_rules.read_table(table)


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
    assert import_rules.PACKAGES & taken == set()
    assert "numpy" in taken


def test_no_folder_is_called_like_a_command():
    """`trainer/report/` would hide `trainer/report.py`."""
    for folder in SCRIPT_FOLDERS:
        names = [
            path.stem
            for path in (ROOT / folder).iterdir()
            if path.suffix == ".py" or path.is_dir()
        ]
        assert len(names) == len(set(names)), folder


def test_folders_stay_small():
    folders = [
        path
        for package in import_rules.PACKAGES
        for path in (ROOT / package, *(ROOT / package).rglob("*"))
        if path.is_dir() and path.name != "__pycache__"
    ]
    assert len(folders) > 20
    for folder in folders:
        entries = {path.name for path in folder.iterdir()}
        entries -= {"__init__.py", "__pycache__"}
        assert len(entries) <= MAX_ENTRIES, folder
