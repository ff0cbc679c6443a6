"""Loads the templates of this folder."""

import pathlib
from collections.abc import Callable, Mapping

import jinja2


def make(
    filters: Mapping[str, Callable] | None = None,
) -> jinja2.Environment:
    """Returns the templates; HTML templates escape their values.

    Args:
        filters: Filters by name, in addition to Jinja's own.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=jinja2.select_autoescape(),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= filters or {}
    return templates
