import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from fractureai.radiograph import SIDES, UNKNOWN, VIEWS, read_header
from fractureai.radiograph.codes import BODY_PART_CODES, FRONTAL, SIDE_CODES, VIEW_CODES
from fractureai.radiograph.vocabulary import body_part_in_text, side_in_text, view_in_text

TEXTS = [  # text, view, side, body part
    ("Wrist PA", "PA", None, "WRIST"),
    ("WRIST_LAT_L", "LAT", "L", "WRIST"),
    ("RtWristPA", "PA", "R", "WRIST"),
    ("Left wrist, lateral view", "LAT", "L", "WRIST"),
    ("XR WRIST RT 3 VIEWS", None, "R", "WRIST"),
    ("Wrist P.A. right", "PA", "R", "WRIST"),
    ("postero-anterior wrist", "PA", None, "WRIST"),
    ("antero posterior", "AP", None, None),
    ("Wrist AP1", "AP", None, "WRIST"),
    ("PA oblique wrist", "OBLIQUE", None, "WRIST"),
    ("WRIST OBL L", "OBLIQUE", "L", "WRIST"),
    ("Scaphoid PA ulnar deviation", "SCAPHOID", None, "WRIST"),
    ("Navicular view", "SCAPHOID", None, None),
    ("Handgelenk dv links", "PA", "L", "WRIST"),
    ("Handgelenk d.v. re.", "PA", "R", "WRIST"),
    ("Handgelenk li. seitl.", "LAT", "L", "WRIST"),
    ("Handgelenk rechts seitlich", "LAT", "R", "WRIST"),
    ("Handgelenk schräg", "OBLIQUE", None, "WRIST"),
    ("Kahnbein Stecher rechts", "SCAPHOID", "R", "WRIST"),
    ("Ranne sivu, vasen", "LAT", "L", "WRIST"),
    ("RANNE PA dx", "PA", "R", "WRIST"),
    ("ranne sin. viisto", "OBLIQUE", "L", "WRIST"),
    ("Poignet droit face", FRONTAL, "R", "WRIST"),
    ("Poignet gauche profil", "LAT", "L", "WRIST"),
    ("MAIN FACE GAUCHE", FRONTAL, "L", "HAND"),
    ("Muñeca izquierda lateral", "LAT", "L", "WRIST"),
    ("Muñeca derecha oblicua", "OBLIQUE", "R", "WRIST"),
    ("Polso sx laterale", "LAT", "L", "WRIST"),
    ("Handled vänster sidobild", "LAT", "L", "WRIST"),
    ("手関節正面 右", FRONTAL, "R", "WRIST"),
    ("手関節側面左", "LAT", "L", "WRIST"),
    ("左手関節PA", "PA", "L", "WRIST"),
    ("腕关节侧位", "LAT", None, "WRIST"),
    ("ＷＲＩＳＴ　ＬＡＴ", "LAT", None, "WRIST"),
    # two views, both sides, or nothing
    ("Wrist PA + LAT", None, None, "WRIST"),
    ("RANNE AP/SIVU", None, None, "WRIST"),
    ("Handgelenk 2 Ebenen", None, None, "WRIST"),
    ("PA, oblique", None, None, None),
    ("Scaphoid PA LAT", None, None, "WRIST"),
    ("Wrist L+R PA", "PA", None, "WRIST"),
    ("both wrists PA left", "PA", None, "WRIST"),
    ("左右", None, None, None),
    ("Handgelenk bds. dv", "PA", None, "WRIST"),
    # words that only look like it
    ("LATERALITY", None, None, None),
    ("PALM", None, None, None),
    ("apical", None, None, None),
    ("DX", None, None, None),
    ("Dx: fracture", None, None, None),
    ("mano sin contraste", None, None, "HAND"),
    ("L-SPINE", None, None, None),
    ("L5", None, None, None),
    ("Re: control", None, None, None),
    ("RE-EXPOSURE", None, None, None),
    ("Bild på handled", None, None, "WRIST"),
    ("vänster sida", None, "L", None),
    ("radio de l'avant-bras", None, None, None),
    ("Platform rightsizing", None, None, None),
    ("main protocol", None, None, None),
    ("", None, None, None),
]


@pytest.mark.parametrize(("text", "view", "side", "body_part"), TEXTS)
def test_texts(text, view, side, body_part):
    assert (view_in_text(text), side_in_text(text), body_part_in_text(text)) == (view, side, body_part)


@given(st.text())
def test_any_text_gives_a_known_value_or_none(text):
    assert view_in_text(text) in {*VIEWS, FRONTAL, None} - {UNKNOWN}
    assert side_in_text(text) in {"L", "R", None}
    body_part_in_text(text)


@given(st.sampled_from(["PA", "LAT", "AP", "L", "R", "LEFT", "RIGHT", "OBL", "DV"]), st.text("ABCDEFGHXYZ", min_size=2))
def test_letters_around_a_word_take_its_meaning(word, letters):
    assert side_in_text(letters + "x" + word.lower() + "x" + letters) is None


HEADERS = [
    ({"ViewPosition": "PA"}, ("PA", "ViewPosition"), 0),
    ({"ViewPosition": "LL"}, ("LAT", "ViewPosition"), 0),
    ({"ViewPosition": "LATERAL"}, ("LAT", "ViewPosition"), 0),
    ({"ViewPosition": "RLO"}, ("OBLIQUE", "ViewPosition"), 0),
    ({"ViewPosition": "MLO"}, (UNKNOWN, "none"), 0),
    ({"ViewPosition": "LLD"}, (UNKNOWN, "none"), 0),
    ({"ViewPosition": ""}, (UNKNOWN, "none"), 0),
    ({"ViewPosition": "AP", "SeriesDescription": "wrist pa"}, ("AP", "ViewPosition"), 1),
    ({"ViewPosition": "PA", "SeriesDescription": "wrist PA", "ProtocolName": "LAT"}, ("PA", "ViewPosition"), 1),
    ({"SeriesDescription": "wrist", "ProtocolName": "wrist lat"}, ("LAT", "ProtocolName"), 0),
    (
        {"AcquisitionDeviceProcessingDescription": "[WRIST LAT      ]"},
        ("LAT", "AcquisitionDeviceProcessingDescription"),
        0,
    ),
    ({"PerformedProcedureStepDescription": "Handgelenk dv"}, ("PA", "PerformedProcedureStepDescription"), 0),
    ({"SeriesDescription": "frontal", "BodyPartExamined": "WRIST"}, ("PA", "SeriesDescription"), 0),
    ({"SeriesDescription": "frontal", "BodyPartExamined": "KNEE"}, (UNKNOWN, "none"), 0),
    ({"PatientOrientation": ["A", "F"]}, ("LAT", "PatientOrientation"), 0),
    ({"PatientOrientation": ["H", "P"]}, ("LAT", "PatientOrientation"), 0),
    ({"PatientOrientation": ["L", "F"]}, (UNKNOWN, "none"), 0),
    ({"PatientOrientation": ["AL", "F"]}, (UNKNOWN, "none"), 0),
    ({"PatientOrientation": ["A", "P"]}, (UNKNOWN, "none"), 0),
    ({"ViewPosition": "PA", "PatientOrientation": ["A", "F"]}, ("PA", "ViewPosition"), 1),
]


@pytest.mark.parametrize(("attributes", "expected", "conflicts"), HEADERS)
def test_view_of_a_header(make_dicom, attributes, expected, conflicts):
    header = read_header(make_dicom(**attributes))
    assert ((header.view, header.view_source), len(header.conflicts)) == (expected, conflicts)


def test_view_code_sequence(make_dicom, forge):
    for scheme, code in (("SCT", "399067008"), ("SRT", "R-102CD"), ("SNM3", "R-102CD"), ("99LOCAL", "X1")):
        view = forge.item(CodeValue=code, CodingSchemeDesignator=scheme, CodeMeaning="lateral")
        header = read_header(make_dicom(ViewCodeSequence=view))
        assert (header.view, header.view_source) == ("LAT", "ViewCodeSequence")
    other = forge.item(CodeValue="399162004", CodingSchemeDesignator="SCT", CodeMeaning="cranio-caudal")
    assert read_header(make_dicom(ViewCodeSequence=other)).view == UNKNOWN
    named = make_dicom(ViewCodeSequence=other, SeriesDescription="wrist PA")
    assert read_header(named).view_source == "SeriesDescription"


SIDES_OF_HEADERS = [
    ({"ImageLaterality": "L", "Laterality": "R"}, ("L", "ImageLaterality"), 1),
    ({"Laterality": "R", "SeriesDescription": "wrist left"}, ("R", "Laterality"), 1),
    ({"ImageLaterality": "U", "Laterality": "R"}, ("R", "Laterality"), 0),
    ({"ImageLaterality": "B"}, ("B", "ImageLaterality"), 0),
    ({"ProtocolName": "wrist rt"}, ("R", "ProtocolName"), 0),
    ({"ProtocolName": "wrist"}, (UNKNOWN, "none"), 0),
    ({}, (UNKNOWN, "none"), 0),
]


@pytest.mark.parametrize(("attributes", "expected", "conflicts"), SIDES_OF_HEADERS)
def test_side_of_a_header(make_dicom, attributes, expected, conflicts):
    header = read_header(make_dicom(**attributes))
    assert ((header.side, header.side_source), len(header.conflicts)) == (expected, conflicts)
    assert header.side in SIDES


def test_side_and_body_part_codes(make_dicom, forge):
    right = forge.item(CodeValue="24028007", CodingSchemeDesignator="SCT", CodeMeaning="Right")
    region = forge.item(CodeValue="74670003", CodingSchemeDesignator="SCT", CodeMeaning="x")
    region[0].AnatomicRegionModifierSequence = right
    header = read_header(make_dicom(AnatomicRegionSequence=region))
    assert (header.side, header.side_source) == ("R", "AnatomicRegionModifierSequence")
    assert (header.body_part, header.body_part_source) == ("WRIST", "AnatomicRegionSequence")


BODY_PARTS = [
    ({"BodyPartExamined": "WRIST"}, ("WRIST", "BodyPartExamined")),
    ({"BodyPartExamined": "Handgelenk"}, ("WRIST", "BodyPartExamined")),
    ({"BodyPartExamined": "SKULL"}, ("SKULL", "BodyPartExamined")),
    ({"BodyPartExamined": "EXTREMITY", "SeriesDescription": "wrist"}, ("WRIST", "SeriesDescription")),
    ({"BodyPartExamined": "EXTREMITY"}, ("EXTREMITY", "BodyPartExamined")),
    ({"StudyDescription": "XR Wrist Left"}, ("WRIST", "StudyDescription")),
    ({}, (UNKNOWN, "none")),
]


@pytest.mark.parametrize(("attributes", "expected"), BODY_PARTS)
def test_body_part_of_a_header(make_dicom, attributes, expected):
    header = read_header(make_dicom(**attributes))
    assert (header.body_part, header.body_part_source) == expected


def test_conflicts_do_not_quote_texts(make_dicom):
    header = read_header(make_dicom(ViewPosition="PA", SeriesDescription="LAT Doe^Jane"))
    assert header.conflicts == ("SeriesDescription says view LAT, ViewPosition says PA; PA is used.",)


def test_code_table_agrees_with_the_standard():
    """pydicom carries PS3.16: each code of ours that it knows has the meaning it says."""
    snomed_rt = {new: old for old, new in mapping["SRT"].items()}
    meaning = {
        code: text.lower().replace("-", "") for entry in concepts["SCT"].values() for code, (text, _) in entry.items()
    }
    words = {
        "LAT": ("lateral", "sagittal"),
        "PA": ("posteroanterior",),
        "AP": ("anteroposterior",),
        FRONTAL: ("frontal",),
    }
    words["OBLIQUE"] = ("oblique",)
    for code, view in VIEW_CODES.items():
        if code in meaning:
            assert any(word in meaning[code] for word in words[view]) or "medial" in meaning[code]
            assert ("oblique" in meaning[code]) == (view == "OBLIQUE")
            assert VIEW_CODES.get(snomed_rt.get(code), view) == view
    for name in cid_concepts[4010]["SCT"]:
        for code, (text, groups) in concepts["SCT"][name].items():
            if 4010 in groups and text in ("postero-anterior", "antero-posterior", "lateral", "oblique", "frontal"):
                assert code in VIEW_CODES
    assert meaning["24028007"] == "right"
    assert meaning["7771000"] == "left"
    assert {SIDE_CODES[snomed_rt["24028007"]], SIDE_CODES[snomed_rt["7771000"]]} == {"R", "L"}
    for code, part in BODY_PART_CODES.items():
        assert code not in meaning or part.lower() in meaning[code]


def test_malformed_elements_say_nothing(forge, tmp_path):
    dataset = forge.dataset(forge.ramp())
    assert isinstance(dataset, Dataset)
    dataset.add_new(0x00185101, "OB", b"\xff\xfe\x00\x01")  # ViewPosition as bytes
    dataset.add_new(0x00200062, "OB", b"\xff")
    header = read_header(forge.write(tmp_path / "odd.dcm", dataset))
    assert (header.view, header.side) == (UNKNOWN, UNKNOWN)
