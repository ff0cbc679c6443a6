"""dataset_info.json says what was built, and nothing of where or when."""

import json
import shutil

import pytest
import tiny_data

from storage import UserError
from tfrecord_builder import verify
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import Image


def test_tiny_records(tiny_records):
    info = dataset_info.read(tiny_records)
    labels = tiny_data.draw_labels(60)
    assert info.image == Image(12, 16, 1, "raw")
    assert info.source_image == {"height": 12, "width": 16}
    assert info.resize is None
    assert info.folds == ("fold0", "fold1", "fold2")
    assert [(o.name, len(o.classes)) for o in info.outputs] == list(
        tiny_data.OUTPUTS.items()
    )
    assert info.outputs[0].classes == ("g0", "g1", "g2", "g3")
    for k, output in enumerate(info.outputs):
        counts = [int((labels[:, k] == c).sum()) for c in range(4)]
        assert list(output.counts) == counts[: len(output.classes)]
        by_fold = [s.counts[output.name] for s in info.splits.values()]
        assert tuple(map(sum, zip(*by_fold, strict=True))) == output.counts
    assert sum(g.count for g in info.graphemes) == 60
    assert [s.name for s in info.splits["fold1"].shards] == [
        "fold1-00000-of-00002.tfrecord",
        "fold1-00001-of-00002.tfrecord",
    ]
    for split in info.splits.values():
        for shard in split.shards:
            path = tiny_records / shard.name
            assert path.stat().st_size == shard.bytes
    assert set(info.build) == {
        "num_folds",
        "seed",
        "shard_mb",
        "source",
        "unseen_graphemes",
    }


def test_nothing_else_is_in_the_folder(tiny_records):
    names = {p.name for p in tiny_records.iterdir()}
    info = dataset_info.read(tiny_records)
    shards = {s.name for split in info.splits.values() for s in split.shards}
    assert names == shards | {"dataset_info.json", "build_log.json"}


def test_json_and_back(tiny_records):
    text = (tiny_records / dataset_info.NAME).read_text(encoding="utf-8")
    info = dataset_info.from_json(text)
    assert info.to_json() == text
    assert dataset_info.from_json(info.to_json()) == info
    assert json.loads(text)["schema_version"] == 1
    assert str(tiny_records) not in text


def test_digest_is_of_the_content(tiny_records, tiny_source, tmp_path):
    again = tiny_data.build_records(
        tiny_source, tmp_path / "again", "--background=light"
    )
    other = tiny_data.build_records(tiny_source, tmp_path / "other", "--seed=1")
    digest = dataset_info.read(tiny_records).digest()
    assert len(digest) == 64
    assert dataset_info.read(again).digest() == digest
    assert dataset_info.read(other).digest() != digest


@pytest.mark.parametrize("lead_out", ["../records/{}", "{}/../x", "..\\{}"])
def test_a_shard_outside_of_the_folder_is_refused(
    tiny_records, tmp_path, lead_out
):
    records = tmp_path / "records"
    shutil.copytree(tiny_records, records)
    path = records / dataset_info.NAME
    fields = json.loads(path.read_text("utf-8"))
    shard = fields["splits"]["fold1"]["shards"][1]
    shard["name"] = lead_out.format(shard["name"])
    path.write_text(json.dumps(fields), "utf-8")
    for read in (dataset_info.read, verify.verify):
        with pytest.raises(UserError) as raised:
            read(str(records))
        assert str(raised.value) == (
            f"{path}: shards: {shard['name']!r} is not the name of a file "
            "in the same folder; the file was damaged or changed: copy it or "
            "make it again"
        )
