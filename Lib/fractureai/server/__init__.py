"""The engine beside the viewer: readings, proposals, models, datasets and jobs over HTTP. See ``docs/server.md``."""
