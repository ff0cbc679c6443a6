"""Ways to break the input of a build, and what the builder says then."""

import csv
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tiny_data


def change_csv(path, change) -> None:
    """Rewrites a csv by `change(rows)`, the header being rows[0]."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    tiny_data.write_csv(path, change(rows))


def change_table(path, change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def set_column(name, values):
    """Returns a change of a table: a column with other values."""
    return lambda table: table.set_column(
        table.column_names.index(name), name, pa.array(values)
    )


def no_parquet(folder):
    for path in folder.glob("*.parquet"):
        path.unlink()


def no_csv(folder):
    (folder / "train.csv").unlink()


def no_class_map(folder):
    (folder / "class_map.csv").unlink()


def no_label_column(folder):
    change_csv(folder / "train.csv", lambda rows: [r[:2] for r in rows])


def no_image_id_column(folder):
    change_csv(folder / "train.csv", lambda rows: [r[1:] for r in rows])


def image_without_label(folder):
    change_csv(folder / "train.csv", lambda rows: rows[:-1])


def doubled_label(folder):
    change_csv(folder / "train.csv", lambda rows: [*rows, rows[5]])


def doubled_image(folder):
    shutil.copy(
        folder / "train_image_data_1.parquet",
        folder / "train_image_data_2.parquet",
    )


def label_too_large(folder):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows[:7], [rows[7][0], "4", *rows[7][2:]], *rows[8:]],
    )


def label_no_number(folder):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows[:7], [rows[7][0], "x", *rows[7][2:]], *rows[8:]],
    )


def label_of_20_digits(folder):
    change_csv(
        folder / "train.csv",
        lambda rows: [*rows[:-1], [rows[-1][0], "9" * 20, *rows[-1][2:]]],
    )


def short_row(folder):
    change_csv(folder / "train.csv", lambda rows: [*rows, ["Train_60", "1"]])


def no_utf8(folder):
    (folder / "train.csv").write_bytes(b"image_id,\xff\xfe")


def holed_class_map(folder):
    change_csv(folder / "class_map.csv", lambda rows: [*rows[:2], *rows[3:]])


def no_pixel_column(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        lambda table: table.drop_columns(["77"]),
    )


def no_pixel_columns(folder):
    for path in folder.glob("*.parquet"):
        change_table(path, lambda table: table.select(["image_id"]))


def no_last_pixel_column(folder):
    for path in folder.glob("*.parquet"):
        change_table(path, lambda table: table.drop_columns(["191"]))


def truncated(folder):
    path = folder / "train_image_data_1.parquet"
    path.write_bytes(path.read_bytes()[:-1000])


def truncated_inside(folder):
    """Its footer is whole, its pages are not."""
    path = folder / "train_image_data_1.parquet"
    data = path.read_bytes()
    middle = len(data) // 4
    path.write_bytes(data[:middle] + b"\xff" * 2000 + data[middle + 2000 :])


def null_pixel(folder):
    values = [None, *range(29)]
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", pa.array(values, pa.uint8())),
    )


def null_id(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("image_id", [*(f"Train_{i}" for i in range(30, 59)), None]),
    )


def large_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", np.array([0] * 20 + [256] + [0] * 9, np.int32)),
    )


def broken_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", np.array([0.0] * 20 + [1.5] + [0.0] * 9)),
    )


def nan_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet",
        set_column("5", np.array([0.0] * 20 + [np.nan] + [0.0] * 9)),
    )


def text_pixel(folder):
    change_table(
        folder / "train_image_data_1.parquet", set_column("5", ["a"] * 30)
    )


CASES = [
    (no_parquet, "no file named train_image_data_.*it holds class_map.csv"),
    (no_csv, "train.csv: no such file"),
    (no_class_map, "no class_map.csv.*--label_columns"),
    (no_label_column, "missing column vowel_diacritic, consonant_diacritic"),
    (no_image_id_column, "missing column image_id"),
    (
        image_without_label,
        "1 of 60 images have no labels.*Train_59 in train_im",
    ),
    (doubled_label, "train.csv: 1 doubled image ids, the first is Train_4"),
    (doubled_image, r"data_2.parquet: image Train_30 occurs twice.*data_1"),
    (label_too_large, "Train_6: grapheme_root: expected .* 0 to 3, got 4"),
    (label_no_number, "Train_6: grapheme_root: expected a whole .* got 'x'"),
    (label_of_20_digits, "Train_59: .* expected a whole number, got '9{20}'"),
    (short_row, "row 61 has 2 columns, expected 5"),
    (no_utf8, "not a csv file in UTF-8: invalid start byte at byte 9"),
    (holed_class_map, r"grapheme_root: expected the labels 0 to 2, got \[0, 2"),
    (no_pixel_column, "data_1.parquet: missing column 77 .1 of 193 are"),
    (no_pixel_columns, "data_1.parquet: no pixel columns in it; expected"),
    (no_last_pixel_column, "191 pixel columns, expected .* 12 x 16 = 192"),
    (truncated, "data_1.parquet: not a complete parquet file"),
    (truncated_inside, "data_1.parquet: not a complete parquet file"),
    (null_pixel, "data_1.parquet: column 5, row 0: .* got null"),
    (null_id, "data_1.parquet: row 29: expected an image_id, got null"),
    (large_pixel, "data_1.parquet: column 5, row 20: .* 0 to 255, got 256"),
    (broken_pixel, "data_1.parquet: column 5, row 20: .* 0 to 255, got 1.5"),
    (nan_pixel, "data_1.parquet: column 5, row 20: .* 0 to 255, got nan"),
    (text_pixel, "data_1.parquet: column 5: .* got the type string"),
]
