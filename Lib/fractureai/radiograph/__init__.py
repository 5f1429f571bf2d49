"""Reading a radiograph: one reader for the annotator, the training cache and the inference input.

The same pixels everywhere: `read_radiograph` (float32, bone bright, modality units) and `normalise` (0..1).
"""

from fractureai.radiograph.model import SIDES, UNKNOWN, VIEWS, Radiograph, RadiographHeader, VoiLut, VoiWindow
from fractureai.radiograph.normalise import intensity_range, normalise, normalised_crop
from fractureai.radiograph.read import read_header, read_radiograph
from fractureai.radiograph.studies import Study, StudyListing, list_studies

__all__ = [
    "SIDES",
    "UNKNOWN",
    "VIEWS",
    "Radiograph",
    "RadiographHeader",
    "Study",
    "StudyListing",
    "VoiLut",
    "VoiWindow",
    "intensity_range",
    "list_studies",
    "normalise",
    "normalised_crop",
    "read_header",
    "read_radiograph",
]
