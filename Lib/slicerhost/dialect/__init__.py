"""The module `qt`: PythonQt's dialect of Qt, spoken by PySide6's classes.

PythonQt shows a Qt property as an attribute (`button.text`), connects by signature
(`button.connect("clicked(bool)", f)`), passes a slot no more arguments than it takes, and refuses attributes that the
C++ class does not have. PySide6's classes are changed in place, because widgets that Qt itself makes (from a .ui file,
through `parent()`) are of these classes too. The rules follow PythonQt's `PythonQtInstanceWrapper` and
`PythonQtSignalReceiver`.
"""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType

#: PySide6's switch that makes every enumeration a whole number, as PythonQt's are. Read when PySide6 is first imported.
INTEGER_ENUMERATIONS = 0x01 | 0x02
if "PySide6.QtCore" not in sys.modules:
    sys.pyside6_option_python_enum = INTEGER_ENUMERATIONS  # type: ignore[attr-defined]

_NOT_OFFERED = {"Signal", "Slot", "Property", "SignalInstance", "ClassInfo", "QmlElement", "SIGNAL", "SLOT"}


def install() -> ModuleType:
    """Teach PySide6's classes the dialect, once, and return the module `qt` (also put into `sys.modules`).

    Raises ImportError when PySide6 was imported before without whole-number enumerations and can not be taught.
    """
    if "qt" in sys.modules and getattr(sys.modules["qt"], "_slicerhost", False):
        return sys.modules["qt"]
    _keep_none()
    from . import attributes, convenience, enumerations, overrides, properties, uiloader
    from .libraries import libraries, native_classes

    qt = ModuleType("qt", "Qt in PythonQt's dialect, on PySide6.")
    qt._slicerhost = True  # type: ignore[attr-defined]
    for library in libraries():
        for name in dir(library):  # PySide6 makes classes when they are asked for
            if not name.startswith("_") and name not in _NOT_OFFERED:
                setattr(qt, name, getattr(library, name))
    classes = native_classes()
    enumerations.make_integers(classes)
    properties.install(classes)
    convenience.install(qt)
    attributes.install(classes)
    overrides.install()
    qt.QUiLoader = uiloader.QUiLoader  # type: ignore[attr-defined]
    sys.modules["qt"] = qt
    return qt


def _keep_none() -> None:
    """Give None so many references that PySide6 can not use them up.

    PySide6 6.12 drops a reference to None at every call of a function that returns nothing. From Python 3.12 on None is
    immortal and nothing happens; before, the process ended after some 10,000 calls with "deallocating None".
    """
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40
