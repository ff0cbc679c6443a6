"""The fonts: npm packages under the SIL Open Font License, none shipped.

Each is one design, in the weight that a pen's path is easily found in. The
file is as the package holds it: FreeType reads WOFF2.
"""

import base64
import dataclasses
import hashlib
import pathlib
import subprocess
import tarfile
import tempfile

import storage
from storage import UserError

LICENCE = "OFL-1.1"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a font comes from.

    Attributes:
        name: Of the package, in the scope @fontsource.
        version: Of the package.
        style: Of the font in it.
        digest: SHA-512 of the package, in base64, as the registry gives it.
        share: How many images, beside the other fonts'.
    """

    name: str
    version: str
    style: str
    digest: str
    share: float

    @property
    def file_name(self) -> str:
        return f"{self.name}-bengali-{self.style}.woff2"


# Atma and Galada are drawn as with a pen and a brush.
SOURCES = (
    Source(
        "hind-siliguri",
        "5.3.0",
        "400-normal",
        "jTxXVXLTUYpiCqQ8zGzX9gK4pHkJ6nOn05nKqFjPEpqf"
        "3VY6gGREKAIvHfHprE/6N4ittSudnHsMPT10QQfgtw==",
        share=1,
    ),
    Source(
        "anek-bangla",
        "5.0.18",
        "400-normal",
        "VLqguuZJoolu4A/zzr960mfm1uO+Ft/9j3415SaeDPJz"
        "Afj2diN/0HZ9kOQABAJXg3bFtaR+Eke4YtfRZa9Oyg==",
        share=1,
    ),
    Source(
        "atma",
        "5.3.0",
        "400-normal",
        "Fa6dLzixzy0Yr34LtUbiqop1bAZF9VATa4hxwAUCURN0"
        "sZjbzpethWVkGL62+x/EKb9cgxzaQ9/v1rWUOvF87g==",
        share=2,
    ),
    Source(
        "baloo-da-2",
        "5.3.0",
        "400-normal",
        "jujnLa2d6xPt4HGmWf8/aoWgV2BC9CSyrx5wF3KUFzbN"
        "OxxUndQ+0IPKMk723LVGmJcALcexab5MK2KBEGsdew==",
        share=1,
    ),
    Source(
        "galada",
        "5.2.8",
        "400-normal",
        "HwgfIxp7+nOFhgWdYa5xyZ6jR+8T7Ly4MDbuHJpZB1yh"
        "OOjPdU5jomXLcJ6TSrJrJqO/2GgzGUmQxsfltgoIEA==",
        share=2,
    ),
    Source(
        "mina",
        "5.3.0",
        "400-normal",
        "i7IEGcTyghSBfKWocHbKS1rKWGX65J+Xja2Fb8TQ5got"
        "lq5++uJ246fUxBWrcrtdqwCAtas2b0yHYt+uj2UBXA==",
        share=1,
    ),
    Source(
        "noto-sans-bengali",
        "5.3.0",
        "400-normal",
        "EFBMU0UvzyFSc1ERK369zfqEu6DMRuWmCQ2+2ahhQTQA"
        "IDPEyN1UYlQdQeFkheu2DWG2hfdwrhiLlGFl2sSr/A==",
        share=1,
    ),
    Source(
        "noto-serif-bengali",
        "5.3.0",
        "400-normal",
        "CTEX03yqXP5A1GZUHiNOgNoHBWcwfrc7JskLSseAcOVM"
        "xopD8Wgc32naa58YRhMhXeZZoyoCjhfODwOiIxAQyA==",
        share=1,
    ),
    Source(
        "tiro-bangla",
        "5.3.0",
        "400-normal",
        "lwmDyUWLPgASmZFjfVtN6eShFoTIQ6o4Ch7hzrAf5XHb"
        "F4Tdo0S3GPCyw+IuNrwWi4FceTZazcNhR9KTmupAzA==",
        share=1,
    ),
    Source(
        "tiro-bangla",
        "5.3.0",
        "400-italic",
        "lwmDyUWLPgASmZFjfVtN6eShFoTIQ6o4Ch7hzrAf5XHb"
        "F4Tdo0S3GPCyw+IuNrwWi4FceTZazcNhR9KTmupAzA==",
        share=1,
    ),
)


def fetch_fonts(folder: pathlib.Path) -> list[pathlib.Path]:
    """Downloads what is missing of SOURCES; returns the fonts in their order.

    Raises:
        storage.UserError: There is no npm, it fails, or a package is another
            than the one that was checked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if not (folder / source.file_name).exists():
            _fetch(source, folder)
    return [folder / source.file_name for source in SOURCES]


def _fetch(source: Source, folder: pathlib.Path) -> None:
    package = f"@fontsource/{source.name}@{source.version}"
    with tempfile.TemporaryDirectory() as scratch:
        command = ["npm", "pack", package, "--silent"]
        try:
            subprocess.run(
                command, cwd=scratch, check=True, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise UserError(
                f"no npm to download {package} with; apt-get install npm"
            ) from error
        except subprocess.CalledProcessError as error:
            raise UserError(
                f"npm cannot download {package}: {error.stderr.strip()}"
            ) from error
        (path,) = pathlib.Path(scratch).glob("*.tgz")
        storage.write_whole(folder / source.file_name, read_font(path, source))


def read_font(package: pathlib.Path, source: Source) -> bytes:
    """Reads the font out of a package.

    Raises:
        storage.UserError: It is not the package that was checked.
    """
    digest = hashlib.sha512(package.read_bytes()).digest()
    if base64.b64encode(digest).decode() != source.digest:
        raise UserError(
            f"{package.name}: its SHA-512 is not the one recorded in "
            f"{pathlib.Path(__file__).name}"
        )
    with tarfile.open(package) as tar:
        font = tar.extractfile(f"package/files/{source.file_name}")
        if font is None:
            raise UserError(f"{package.name}: {source.file_name} is not a file")
        return font.read()


def describe(fonts: list[pathlib.Path]) -> list[dict[str, str]]:
    """Returns package, file, licence and SHA-256 of each font."""
    return [
        {
            "package": f"@fontsource/{source.name}@{source.version}",
            "file": source.file_name,
            "licence": LICENCE,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for source, path in zip(SOURCES, fonts, strict=True)
    ]
