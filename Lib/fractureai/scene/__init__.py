"""What a radiograph, landmarks, regions, readings and overlays are in a MRML scene.

Functions on ``slicer.mrmlScene``: they take or find nodes and keep no state of their own. They run in 3D Slicer 5.12
and on slicer-core alike and know no window (no Qt). Import the modules, not this package: ``from fractureai.scene
import radiograph, landmarks, views``.
"""
