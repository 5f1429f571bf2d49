"""Views of the scene: slice views drawn by VTK off the screen, and plots drawn by Qt."""
