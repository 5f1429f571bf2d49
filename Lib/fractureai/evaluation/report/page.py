"""The report as one HTML page that stands alone."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.evaluation.blocks import Section
from fractureai.evaluation.figures import ROLES, PlotFiles


def html_page(
    title: str,
    notice: str,
    created: str,
    sections: Sequence[Section],
    plots: Mapping[str, PlotFiles],
    files: Sequence[str],
) -> str:
    """Return the page.

    Args:
        title: heading.
        notice: what must stand beside every output of the model; may be "".
        created: date as text; may be "".
        sections: content.
        plots: name of a plot -> its files.
        files: names of the files with numbers that lie beside the page.
    """
    return str(
        _template().render(
            title=title,
            version=__version__,
            not_a_medical_device=NOT_A_MEDICAL_DEVICE,
            created=created,
            notice=notice[:1].upper() + notice[1:],
            sections=sections,
            plates={name: _plate(name, file) for name, file in plots.items()},
            files=files,
        )
    )


def inline_svg(svg: str, prefix: str) -> str:
    """Make an SVG file part of a page: own ids, the page's colours and width. The caption beside it names it.

    Args:
        svg: content of the file.
        prefix: letters put before every id.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}-", body)
    for colour, role in ROLES.items():
        body = re.sub(re.escape(colour), f"var(--{role})", body, flags=re.IGNORECASE)
    opening, rest = body.split(">", 1)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    return f'{opening} role="img" aria-labelledby="{prefix}-title">{rest}'


def _plate(name: str, files: PlotFiles) -> Any:
    from markupsafe import Markup

    # The SVG was drawn by matplotlib from numbers; it holds no text but glyphs.
    return Markup(inline_svg(files.svg.read_text(encoding="utf-8"), f"plot-{name}"))


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("fractureai.evaluation", package_path="report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["data_uri"] = _data_uri
    return environment.get_template("base.html")


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
