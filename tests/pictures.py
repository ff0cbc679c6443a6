"""Takes README's pictures of the report and of the page to draw on.

    python tests/pictures.py --workdir=WORKDIR

Writes docs/report.webp, the report light and dark, and docs/demo.png, the page
with a grapheme drawn on it; both show the run that left WORKDIR. The third
picture, docs/augmentation.webp, is drawn by benchmarks/contact_sheet.py.
"""

import argparse
import io
import pathlib
import subprocess
import sys

import browser
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORT_WIDTH, REPORT_HEIGHT = 1120, 1354
PAGE_WIDTH, PAGE_HEIGHT = 1000, 650
# Of বা, as shares of the paper's width and height.
STROKES = (
    ((0.24, 0.24), (0.80, 0.22)),
    ((0.53, 0.24), (0.54, 0.82)),
    ((0.53, 0.30), (0.40, 0.42), (0.27, 0.55), (0.40, 0.66), (0.54, 0.76)),
    ((0.73, 0.23), (0.73, 0.60), (0.745, 0.83)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--output_dir", default=ROOT / "docs")
    args = parser.parse_args()
    workdir, output = map(pathlib.Path, (args.workdir, args.output_dir))
    picture = take_report((workdir / "report.html").resolve())
    picture.save(output / "report.webp", quality=85, method=6)
    take_page(workdir / "model.keras", output / "demo.png")


def take_report(path: pathlib.Path) -> Image.Image:
    """Returns the report's head, light, beside its mistakes, dark."""
    size = (REPORT_WIDTH * 5 // 7, REPORT_HEIGHT * 5 // 7)
    both = Image.new("RGB", (2 * size[0], size[1]))
    for i, first in enumerate(("Training report", "Most confused")):
        with browser.open_page(
            path.as_uri(), width=REPORT_WIDTH, dark=i == 1
        ) as page:
            page.set_viewport_size(
                {"width": REPORT_WIDTH, "height": REPORT_HEIGHT}
            )
            page.get_by_role("heading", name=first).evaluate(
                "h => scrollBy(0, h.getBoundingClientRect().top - 40)"
            )
            half = Image.open(io.BytesIO(page.screenshot()))
            half = half.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            both.paste(half, (i * size[0], 0))
    return both


def take_page(model: pathlib.Path, output: pathlib.Path) -> None:
    """Writes the page's picture, a grapheme drawn and answered."""
    with subprocess.Popen(
        [sys.executable, ROOT / "demo/app.py", f"--model={model}", "--port=0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = process.stdout.readline().split()[2]
            with browser.open_page(url, width=PAGE_WIDTH) as page:
                for stroke in STROKES:
                    with page.expect_response("**/predict"):
                        browser.draw(page, *stroke)
                page.locator("#outputs li").first.wait_for()
                page.set_viewport_size(
                    {"width": PAGE_WIDTH, "height": PAGE_HEIGHT}
                )
                picture = Image.open(io.BytesIO(page.screenshot()))
                picture.quantize(64).save(output, optimize=True)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
