import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from fractureai.errors import RadiographError
from fractureai.radiograph import list_studies


@pytest.fixture
def archive(make_dicom, forge, tmp_path):
    """Two studies: one of both wrists with an image of unknown side, one of the left wrist only; and other files."""
    both, left = generate_uid(), generate_uid()
    for side in "LR":
        for view in ("LAT", "PA"):
            options = {"StudyInstanceUID": both, "ImageLaterality": side, "ViewPosition": view, "StudyDate": "20260301"}
            make_dicom(name=f"a/deep/{side}{view}", **options)
    make_dicom(name="a/unknown.dcm", StudyInstanceUID=both, ViewPosition="PA", StudyDate="20260301")
    make_dicom(name="b/1", StudyInstanceUID=left, ImageLaterality="L", ViewPosition="PA", StudyDate="20260201")
    make_dicom(name="b/2", StudyInstanceUID=left, ViewPosition="LL", StudyDate="20260201")
    forge.image(tmp_path / "c.png", np.zeros((8, 9), np.uint8))
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "table.csv").write_text("a,b")
    (tmp_path / "README").write_text("read me " * 100)
    (tmp_path / ".hidden.dcm").write_text("hidden")
    make_dicom(name="report", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", PixelData=None, Rows=None, Columns=None)
    return tmp_path, both, left


def test_studies_of_a_folder(archive):
    folder, both, left = archive
    calls = []
    listing = list_studies(folder, progress=lambda done, total: calls.append((done, total)))
    assert listing.problems == ()
    assert [(study.key, study.side, len(study.radiographs)) for study in listing.studies] == [
        ("c", "unknown", 1),
        (left, "L", 2),
        (f"{both}:L", "L", 2),
        (f"{both}:R", "R", 2),
        (f"{both}:unknown", "unknown", 1),
    ]
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    study = listing.studies[2]
    ((frontal, lateral),) = study.pairs
    assert (frontal.view, lateral.view, frontal.side, lateral.side) == ("PA", "LAT", "L", "L")
    assert study.study_instance_uid == both
    assert "P1" not in repr(listing)


def test_pixels_are_not_read(make_dicom, tmp_path):
    path = make_dicom(name="cut.dcm")
    path.write_bytes(path.read_bytes()[:-500])
    assert len(list_studies(tmp_path).studies) == 1


def test_same_file_names_in_several_folders(forge, tmp_path):
    for folder in ("PA", "LAT"):
        (tmp_path / folder).mkdir()
        forge.image(tmp_path / folder / "7.png", np.zeros((8, 9), np.uint8))
    assert [study.key for study in list_studies(tmp_path).studies] == ["LAT/7", "PA/7"]


def test_dicomdir(forge, tmp_path):
    files = FileSet()
    study = generate_uid()
    for view in ("PA", "LAT"):
        dataset = forge.dataset(
            forge.ramp(), StudyInstanceUID=study, ViewPosition=view, StudyID="1", StudyTime="1200", SeriesNumber=1,
            InstanceNumber=1, AccessionNumber="",
        )  # fmt: skip
        files.add(dataset)
    files.write(tmp_path / "disk")
    (found,) = list_studies(tmp_path / "disk" / "DICOMDIR").studies
    assert [item.view for item in found.radiographs] == ["PA", "LAT"]
    assert list_studies(tmp_path / "disk").studies == (found,)
    found.radiographs[0].path.unlink()
    listing = list_studies(tmp_path / "disk" / "DICOMDIR")
    assert (len(listing.studies), len(listing.problems)) == (1, 1)


@pytest.mark.parametrize("file_id", [["..", "secret.dcm"], "..\\secret.dcm", ["/", "etc", "passwd"], ["..", "..", "x"]])
def test_a_dicomdir_names_no_file_outside_its_folder(forge, tmp_path, file_id):
    forge.write(tmp_path / "secret.dcm", forge.dataset(forge.ramp()))
    (tmp_path / "disk").mkdir()
    directory = Dataset()
    directory.file_meta = forge.dataset(forge.ramp()).file_meta
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.DirectoryRecordSequence = forge.item(DirectoryRecordType="IMAGE", ReferencedFileID=file_id)
    forge.write(tmp_path / "disk" / "DICOMDIR", directory)
    listing = list_studies(tmp_path / "disk" / "DICOMDIR")
    assert listing.studies == ()
    assert len(listing.problems) == 1


def test_no_folder_and_no_dicomdir(make_dicom, tmp_path):
    with pytest.raises(RadiographError, match="no such folder"):
        list_studies(tmp_path / "nowhere")
    with pytest.raises(RadiographError, match="not a DICOMDIR"):
        list_studies(make_dicom())
