"""Codes of view, side and body part: CID 4010 (DX View), 244 (Laterality), 4009 (DX Anatomy Imaged) of DICOM PS3.16.

Each concept by its SNOMED CT code (scheme SCT) and its retired SNOMED-RT code (schemes SRT, SNM3, 99SDM).
"""

from __future__ import annotations

FRONTAL = "FRONTAL"
"""A view from the front or the back, of which it is not said which."""

VIEW_CODES = {
    "272479007": "PA", "R-40888": "PA", "399066004": "PA", "R-10214": "PA",  # postero-anterior (two codes in use)
    "399348003": "AP", "R-10206": "AP",  # antero-posterior
    "399033003": FRONTAL, "R-10202": FRONTAL,  # frontal
    "399067008": "LAT", "R-102CD": "LAT",  # lateral
    "399198007": "LAT", "R-10232": "LAT",  # right lateral
    "399173006": "LAT", "R-10236": "LAT",  # left lateral
    "399260004": "LAT", "R-10224": "LAT",  # medial-lateral
    "399352003": "LAT", "R-10228": "LAT",  # lateral-medial
    "30730003": "LAT", "G-A145": "LAT",  # sagittal
    "399182000": "OBLIQUE", "R-102C1": "OBLIQUE",  # oblique
    "399160007": "OBLIQUE", "R-10204": "OBLIQUE",  # frontal oblique
    "399312000": "OBLIQUE", "R-10208": "OBLIQUE",  # antero-posterior oblique
    "399059000": "OBLIQUE", "R-10216": "OBLIQUE",  # postero-anterior oblique
    "399038007": "OBLIQUE", "R-10210": "OBLIQUE",  # right posterior oblique
    "399006002": "OBLIQUE", "R-10212": "OBLIQUE",  # left posterior oblique
    "399356000": "OBLIQUE", "R-40985": "OBLIQUE",  # right anterior oblique
    "399135007": "OBLIQUE", "R-10220": "OBLIQUE",  # left anterior oblique
    "399236003": "OBLIQUE", "R-10234": "OBLIQUE",  # right oblique
    "399184004": "OBLIQUE", "R-10238": "OBLIQUE",  # left oblique
    "260426006": "OBLIQUE", "R-40782": "OBLIQUE",  # medial oblique
    "260427002": "OBLIQUE", "R-40783": "OBLIQUE",  # lateral oblique
    "399099002": "OBLIQUE", "R-10230": "OBLIQUE",  # latero-medial oblique
    "399368009": "OBLIQUE", "R-10226": "OBLIQUE",  # medio-lateral oblique
}  # fmt: skip

SIDE_CODES = {
    "24028007": "R", "G-A100": "R",  # right
    "7771000": "L", "G-A101": "L",  # left
    "51440002": "B", "G-A102": "B",  # right and left
}  # fmt: skip

BODY_PART_CODES = {
    "74670003": "WRIST", "T-15460": "WRIST", "8205005": "WRIST", "T-D8600": "WRIST",  # wrist joint, wrist region
    "85562004": "HAND", "T-D8700": "HAND",
    "14975008": "FOREARM", "T-D8500": "FOREARM",
    "7569003": "FINGER", "T-D8800": "FINGER",
    "76505004": "THUMB", "T-D8810": "THUMB",
    "16953009": "ELBOW", "T-15430": "ELBOW",  # elbow joint
}  # fmt: skip
"""Codes of the upper limb, with the defined term of Body Part Examined (PS3.16 Annex L)."""

VIEW_POSITIONS = {
    "LL": "LAT", "RL": "LAT", "ML": "LAT", "LM": "LAT", "LLAT": "LAT", "RLAT": "LAT",
    "RLO": "OBLIQUE", "LLO": "OBLIQUE", "RAO": "OBLIQUE", "LAO": "OBLIQUE", "RPO": "OBLIQUE", "LPO": "OBLIQUE",
    "APO": "OBLIQUE", "PAO": "OBLIQUE",
}  # fmt: skip
"""Defined terms of View Position (PS3.3 C.8.7.2, C.8.11.5) that would be ambiguous in free text."""
