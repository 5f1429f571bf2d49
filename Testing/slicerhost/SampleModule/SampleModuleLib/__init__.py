# ruff: noqa: N999 - named as Slicer names them
