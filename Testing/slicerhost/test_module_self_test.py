"""`python -m slicerhost`: exit codes and sentences, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parent / "SampleModule" / "SampleModule.py"

MODULE = """
import slicer
import qt
from slicer.ScriptedLoadableModule import *

class Small(ScriptedLoadableModule):
    pass

class SmallWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.button = qt.QPushButton("x")
        self.layout.addWidget(self.button)
    def cleanup(self):
        {cleanup}

class SmallTest(ScriptedLoadableModuleTest):
    def runTest(self):
        {test}
"""


def host(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the host as a user would; a variable set to "" is taken away."""
    given = {**os.environ, "QT_QPA_PLATFORM": "offscreen", **environment}
    return subprocess.run(
        [sys.executable, "-m", "slicerhost", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        env={name: value for name, value in given.items() if value},
        check=False,
    )


def small(tmp_path: Path, test: str, cleanup: str = "pass") -> Path:
    path = tmp_path / "Small.py"
    path.write_text(MODULE.replace("{test}", test).replace("{cleanup}", cleanup))
    return path


def test_the_sample_passes() -> None:
    done = host("--self-test", SAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("passed SampleModuleTest in ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("test", "cleanup", "told"),
    [
        ("self.assertEqual(1, 2)", "pass", "AssertionError: 1 != 2"),
        ("raise SystemExit(0)", "pass", "SystemExit: 0"),
        ("b = slicer.modules.SmallWidget.button; b.connect('clicked()', lambda: 1 / 0); b.click()", "pass", "division"),
        ("slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, lambda *_: 1 / 0); "
         "slicer.mrmlScene.AddNewNodeByClass('vtkMRMLTextNode')", "pass", "division"),
        ("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", "pass", "in a thread"),
        ("pass", "1 / 0", "division"),
        ("slicer.modules.SmallWidget.button.caption = 'y'", "pass", "creating new attributes on C++ objects"),
    ],
)  # fmt: skip
def test_failures_wherever_they_happen(tmp_path, test, cleanup, told):
    done = host("--self-test", small(tmp_path, test, cleanup))
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("FAILED SmallTest after ")
    assert told in last


def test_message_boxes_do_not_wait(tmp_path):
    test = "slicer.util.confirmYesNoDisplay('sure?'); slicer.util.errorDisplay('wrong')"
    done = host("--self-test", small(tmp_path, test), "--limit", 120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_test_that_hangs_is_ended_with_its_stack(tmp_path):
    done = host("--self-test", small(tmp_path, "import time; time.sleep(600)"), "--limit", 12)
    assert done.returncode not in (0, 2)
    assert "Small.py" in done.stderr


def test_settings_of_the_user_are_neither_read_nor_changed(tmp_path):
    test = "qt.QSettings().setValue('k', 1); qt.QSettings().sync()"
    home = tmp_path / "home"
    done = host("--self-test", small(tmp_path, test), XDG_CONFIG_HOME=str(home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(home.rglob("*.ini"))


def test_a_file_that_is_not_there():
    done = host("--self-test", "/nowhere/Module.py")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "There is no module file /nowhere/Module.py."


def test_a_module_without_its_class(tmp_path):
    path = tmp_path / "Other.py"
    path.write_text("x = 1\n")
    done = host("--self-test", path)
    assert done.returncode == 1
    assert "Other" in done.stdout.splitlines()[-1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has no screen")
def test_a_window_without_a_screen():
    done = host(SAMPLE, QT_QPA_PLATFORM="", DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("There is no screen")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names Debian's packages")
def test_where_nothing_can_be_drawn_it_says_what_to_install():
    done = host("--self-test", SAMPLE, QT_QPA_PLATFORM="nosuch")
    assert done.returncode == 2
    assert "Qt can not start (platform: nosuch)" in done.stderr
    done = host(
        "--self-test", SAMPLE, LIBGL_DRIVERS_PATH="/nowhere", __EGL_VENDOR_LIBRARY_FILENAMES="/nowhere", DISPLAY=""
    )
    assert done.returncode == 2
    assert "libegl1 libgl1-mesa-dri" in done.stderr
