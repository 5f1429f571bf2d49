"""Run a Slicer scripted module in a window of its own, on slicer-core and PySide6."""
