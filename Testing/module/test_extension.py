"""The extension as Slicer's build sees it: every file listed, nothing heavy imported, texts that can be translated."""

import ast
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "FractureAI"
SCRIPTS = sorted(path for path in MODULE.rglob("*.py") if "__pycache__" not in path.parts)
UI_FILES = sorted(MODULE.glob("Resources/UI/*.ui"))
ALLOWED = {"qt", "ctk", "slicer", "vtk", "numpy", "fractureai", "FractureAILib"}
LIGHT = {"scene", "client", "engine", "dataset", "radiograph", "geometry", "sites", "phantom", "errors"}


def listed(cmake: Path, *suffixes: str) -> set[str]:
    """Return the files that a CMakeLists names, with ${MODULE_NAME} filled in."""
    text = cmake.read_text(encoding="utf-8")
    name = re.search(r"set\(MODULE_NAME (\w+)\)", text)
    text = text.replace("${MODULE_NAME}", name.group(1) if name else "")
    text = re.sub(r"#.*", "", text)
    return {word for word in re.findall(r"[\w./-]+", text) if word.endswith(suffixes)}


def test_every_script_and_resource_is_listed_in_cmake():
    named = listed(MODULE / "CMakeLists.txt", ".py", ".ui", ".svg", ".txt", ".png") - {"CMakeLists.txt"}
    found = {path.relative_to(MODULE).as_posix() for path in SCRIPTS}
    resources = (MODULE / "Resources").rglob("*")
    found |= {path.relative_to(MODULE).as_posix() for path in resources if path.is_file()}
    assert named == found


def test_every_self_test_is_registered():
    folder = ROOT / "Testing" / "Python"
    assert {path.name for path in folder.glob("*.py")} == listed(folder / "CMakeLists.txt", ".py")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_module_imports_nothing_that_slicer_lacks(path):
    import sys

    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            top, _, rest = name.partition(".")
            assert top in ALLOWED or top in sys.stdlib_module_names, f"{path.name} imports {name}"
            if top == "fractureai" and rest:
                assert rest.split(".")[0] in LIGHT, f"{path.name} imports {name}, which is not in the light layer"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_texts_to_translate_are_plain_strings(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "translate"):
            text = node.args[-1]
            assert isinstance(text, ast.Constant), f"{path.name}, line {node.lineno}: a text that is put together"
            assert isinstance(text.value, str)


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_ui_files_are_whole_and_tab_stops_exist(path):
    root = ElementTree.parse(path).getroot()
    assert root.tag == "ui"
    names = [widget.get("name") for widget in root.iter("widget")]
    assert len(names) == len(set(names))
    assert {stop.text for stop in root.iter("tabstop")} <= set(names)


def test_the_index_entry_names_what_the_index_asks_for():
    entry = json.loads((ROOT / "docs" / "extensions-index" / "FractureAI.json").read_text(encoding="utf-8"))
    project = re.search(r"project\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")).group(1)
    assert project == "FractureAI"
    assert entry["scm_url"].endswith("/SlicerFractureAI.git")
    assert {"build_dependencies", "build_subdirectory", "category", "scm_revision", "scm_url", "tier"} <= set(entry)


def test_icon_and_screenshots_that_cmake_names_are_there():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    pictures = re.findall(r"SlicerFractureAI/main/([\w./-]+\.png)", text)
    assert len(pictures) >= 5
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture
