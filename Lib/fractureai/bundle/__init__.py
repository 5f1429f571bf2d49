"""What training writes and inference reads: a folder in MONAI Bundle layout, checked by hash, without pickle."""

from fractureai.bundle.load import Bundle, load_bundle, resolve_bundle
from fractureai.bundle.spec import FORMAT_VERSION, BundleSpec, LandmarkLimits, ViewModels, site_table
from fractureai.bundle.write import write_bundle

__all__ = [
    "FORMAT_VERSION",
    "Bundle",
    "BundleSpec",
    "LandmarkLimits",
    "ViewModels",
    "load_bundle",
    "resolve_bundle",
    "site_table",
    "write_bundle",
]
