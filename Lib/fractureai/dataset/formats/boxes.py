"""Boxes in Pascal VOC XML and YOLO text files, one file an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from fractureai.dataset.annotation import Region
from fractureai.dataset.formats.records import HALF_PIXEL, bounds, box_region, number
from fractureai.dataset.formats.textfiles import parse_xml, plain
from fractureai.errors import DatasetError


def parse_voc(text: str, source: Path) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Parse the objects of a Pascal VOC annotation.

    ``xmin`` to ``xmax`` are the first and last column inside the box, counted from 0 (as GRAZPEDWRI-DX and FracAtlas
    do; the VOC challenge itself counted from 1).

    Args:
        text: the XML.
        source: named in errors.

    Returns:
        The boxes, and a clause for each object that has none.

    Raises:
        DatasetError: it is not XML, or its root is not ``annotation``.
    """
    root = parse_xml(text, source)
    if root.tag != "annotation":
        raise DatasetError(source, f"its root is <{root.tag}>, not <annotation>", "check that it is a Pascal VOC file")
    boxes, problems = [], []
    for index, node in enumerate(root.iterfind("object"), start=1):
        name = (node.findtext("name") or "").strip()
        edges = [number(node.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax")]
        left, top, right, bottom = (math.nan if edge is None else edge for edge in edges)
        width, height = right - left + 1, bottom - top + 1
        if not (name and width >= 0 and height >= 0):
            problems.append(f"object {index} has no name or no box")
            continue
        left, top = left - HALF_PIXEL, top - HALF_PIXEL
        boxes.append(box_region(name, left, top, left + width, top + height))
    return tuple(boxes), tuple(problems)


def to_voc(file: str, shape: tuple[int, int], regions: Sequence[Region]) -> str:
    """Write the bounding boxes of regions as Pascal VOC XML, counted from 0; inverse of `parse_voc` for boxes.

    Args:
        file: the image's file name.
        shape: rows and columns of the image.
        regions: what is marked on it.
    """
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = file
    size = ElementTree.SubElement(root, "size")
    for name, value in (("width", shape[1]), ("height", shape[0]), ("depth", 1)):
        ElementTree.SubElement(size, name).text = str(value)
    for region in regions:
        left, top, right, bottom = bounds(region.points)
        node = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(node, "name").text = region.kind
        box = ElementTree.SubElement(node, "bndbox")
        half = HALF_PIXEL
        edges = {"xmin": left + half, "ymin": top + half, "xmax": right - half, "ymax": bottom - half}
        for name, edge in edges.items():
            ElementTree.SubElement(box, name).text = repr(plain(edge))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def parse_yolo(text: str, shape: tuple[int, int], classes: Sequence[str]) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Parse a YOLO label file: a line ``class x y width height`` each box, or ``class x1 y1 x2 y2 ...`` each polygon.

    Coordinates are shares of the image's width and height, edge to edge; x and y of a box are its centre's.

    Args:
        text: the content.
        shape: rows and columns of the image.
        classes: names of the classes in order.

    Returns:
        The regions, and a clause for each line that is none.
    """
    regions, problems = [], []
    rows, cols = shape
    for index, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        values = [number(word) for word in words[1:]]
        numbers = [value for value in values if value is not None]
        kind = classes[int(words[0])] if words[0].isdecimal() and int(words[0]) < len(classes) else ""
        complete = len(numbers) == len(values) and (len(numbers) == 4 or (len(numbers) >= 6 and len(numbers) % 2 == 0))
        if not kind or not complete:
            problems.append(f"line {index} is no box of a known class")
        elif len(numbers) == 4:
            x, y, width, height = numbers
            left, right = ((x + sign * width / 2) * cols - HALF_PIXEL for sign in (-1, 1))
            top, bottom = ((y + sign * height / 2) * rows - HALF_PIXEL for sign in (-1, 1))
            regions.append(box_region(kind, left, top, right, bottom))
        else:
            pairs = zip(numbers[1::2], numbers[::2], strict=True)
            points = tuple((y * rows - HALF_PIXEL, x * cols - HALF_PIXEL) for y, x in pairs)
            regions.append(Region(kind, points, "polygon"))
    return tuple(regions), tuple(problems)


def to_yolo(shape: tuple[int, int], regions: Sequence[Region], classes: Sequence[str]) -> str:
    """Write the bounding boxes of regions whose kind is among the classes as YOLO lines; inverse of `parse_yolo`."""
    rows, cols = shape
    lines = []
    for region in regions:
        if region.kind in classes:
            left, top, right, bottom = bounds(region.points)
            x, y = ((left + right) / 2 + HALF_PIXEL) / cols, ((top + bottom) / 2 + HALF_PIXEL) / rows
            numbers = (x, y, (right - left) / cols, (bottom - top) / rows)
            lines.append(" ".join([str(classes.index(region.kind)), *(f"{value:.12g}" for value in numbers)]))
    return "".join(f"{line}\n" for line in lines)
