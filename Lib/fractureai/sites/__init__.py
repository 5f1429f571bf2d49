"""Anatomical sites: landmarks, views, region of interest in millimetres, classes. One TOML file each; no code."""

from fractureai.sites.profile import Landmark, Site, ViewProfile, list_sites, load_site

__all__ = ["Landmark", "Site", "ViewProfile", "list_sites", "load_site"]
