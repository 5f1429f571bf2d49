"""Annotations: canonical JSON, strict parsing, revisions, broken files, raters."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractureai.dataset import (
    Annotation,
    BrokenAnnotationWarning,
    Dataset,
    RadiographRow,
    Region,
    annotation_from_json,
    annotation_to_json,
    resolve_side,
    resolve_view,
    study_labels,
)
from fractureai.dataset.annotation_json import NewerFormatError
from fractureai.errors import DatasetError, StaleAnnotationError
from fractureai.radiograph import SIDES, VIEWS

FULL = Annotation(
    radiograph="1.2.3",
    rater="AM",
    status="done",
    label="fracture",
    landmarks={"distal_ulna": (10.5, 20.25), "distal_radius": (1.0, 2.0)},
    regions=(Region("fracture", ((1.0, 2.0), (3.0, 4.0)), "box", "radius"),),
    cast=False,
    view="PA",
    side="L",
    comment="Zweifel; 骨折?",
    revision=1,
    updated="2024-01-31T12:00:00.000+00:00",
    extra={"via": "1"},
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.tuples(numbers, numbers)
regions = st.one_of(
    st.builds(Region, kind=texts, bone=texts, shape=st.just("box"), points=st.tuples(points, points)),
    st.builds(
        Region,
        kind=texts,
        bone=texts,
        shape=st.sampled_from(["polygon", "curve"]),
        points=st.lists(points, min_size=3, max_size=6).map(tuple),
    ),
)
annotations = st.builds(
    Annotation,
    radiograph=names,
    rater=names,
    status=st.sampled_from(["open", "done", "flagged"]),
    label=st.none() | names,
    landmarks=st.dictionaries(texts, points, max_size=4),
    regions=st.lists(regions, max_size=3).map(tuple),
    displacement=texts,
    cast=st.none() | st.booleans(),
    implant=st.none() | st.booleans(),
    quality=st.sampled_from(["", "good", "limited", "non-diagnostic"]),
    view=st.sampled_from(["", *VIEWS]),
    side=st.sampled_from(["", *SIDES]),
    comment=texts,
    revision=st.integers(0, 10**6),
    updated=texts,
    extra=st.dictionaries(texts, texts, max_size=3),
)


@given(annotations)
def test_json_gives_back_an_equal_annotation_and_equal_bytes(annotation: Annotation) -> None:
    data = annotation_to_json(annotation)
    back = annotation_from_json(data, Path("a.json"))
    assert back == annotation
    assert annotation_to_json(back) == data


def test_json_is_readable_and_sorted() -> None:
    text = annotation_to_json(FULL).decode()
    assert text.endswith("}\n")
    assert "骨折" in text
    table = json.loads(text)
    assert list(table) == sorted(table)
    assert table["format_version"] == 1
    assert table["landmarks"]["distal_ulna"] == [10.5, 20.25]
    assert '\n  "cast": false' in text


def test_numpy_points_and_whole_numbers_are_written_as_floats() -> None:
    odd = replace(FULL, landmarks={"a": (np.float32(1.5), 2)}, regions=())
    assert annotation_from_json(annotation_to_json(odd), Path("a")).landmarks == {"a": (1.5, 2.0)}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"mood": "good"}, "unknown key 'mood'"),
        ({"status": "finished"}, "status is 'finished'"),
        ({"revision": "3"}, "revision is '3'"),
        ({"revision": True}, "revision is True"),
        ({"landmarks": {"a": [1.0]}}, "landmark a is"),
        ({"landmarks": {"a": [1.0, None]}}, "landmark a is"),
        ({"landmarks": {"a": [1.0, 10**400]}}, "landmark a is not finite"),
        ({"landmarks": []}, "landmarks is not a JSON object"),
        ({"regions": {}}, "regions is not a list"),
        ({"regions": [{"kind": "x", "points": [[0, 0]], "shape": "box", "bone": ""}]}, "a box can not have 1 points"),
        ({"regions": [{"kind": "x", "points": [[0, 0], [1, 1]], "shape": "box"}]}, "missing key 'bone'"),
        ({"regions": [{"kind": "x", "points": 3, "shape": "box", "bone": ""}]}, "points of a region are not a list"),
        ({"cast": 1}, "cast is 1"),
        ({"label": ""}, "label is null or a name"),
        ({"view": "TOP"}, "view is 'TOP'"),
        ({"rater": ""}, "must not be empty"),
        ({"comment": None}, "comment is None"),
        ({"extra": {"a": 1}}, "extra a is 1"),
        ({"format_version": 0}, "format_version is 0"),
        ({"format_version": True}, "format_version is True"),
        ({"format_version": None}, "format_version is None"),
    ],
)
def test_a_wrong_value_is_refused_by_name(change: dict[str, object], complaint: str) -> None:
    table = {**json.loads(annotation_to_json(FULL)), **change}
    with pytest.raises(DatasetError, match=r"a\.json") as error:
        annotation_from_json(json.dumps(table).encode(), Path("a.json"))
    assert complaint in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a": 1, "a": 2}', b'{"a": NaN}'])
def test_what_is_no_annotation_is_refused(data: bytes) -> None:
    with pytest.raises(DatasetError, match=r"a\.json"):
        annotation_from_json(data, Path("a.json"))


@given(st.data())
@settings(max_examples=200)
def test_a_cut_or_damaged_file_is_refused_or_still_an_annotation(data: st.DataObject) -> None:
    good = bytearray(annotation_to_json(FULL))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    with contextlib.suppress(DatasetError):  # and no other exception
        assert isinstance(annotation_from_json(bytes(good[:cut]), Path("a.json")), Annotation)


def test_saving_counts_revisions_and_sets_the_time(dataset: Dataset) -> None:
    first = dataset.save(Annotation("1.2.3", "AM", comment="a"))
    second = dataset.save(replace(first, comment="b"), expected_revision=1)
    assert (first.revision, second.revision) == (1, 2)
    assert second.updated.endswith("+00:00")
    assert Dataset.open(dataset.folder).annotation("1.2.3", "AM") == second
    assert dataset.annotation("1.2.3", "HP") is None
    assert dataset.annotation_path("1.2.3", "AM") == dataset.folder / "annotations" / "AM" / "1.2.3.json"


def test_a_stale_revision_is_refused_and_changes_nothing(dataset: Dataset) -> None:
    dataset.save(Annotation("1.2.3", "AM"))
    newer = dataset.save(Annotation("1.2.3", "AM", comment="newer"))
    for stale in (0, 1, 3):
        with pytest.raises(StaleAnnotationError, match="revision 2"):
            dataset.save(Annotation("1.2.3", "AM", comment="stale"), expected_revision=stale)
    assert dataset.annotation("1.2.3", "AM") == newer


def test_of_threads_with_the_same_expected_revision_one_wins(dataset: Dataset) -> None:
    outcomes: list[str] = []

    def save(number: int) -> None:
        try:
            dataset.save(Annotation("1.2.3", "AM", comment=str(number)), expected_revision=0)
            outcomes.append("saved")
        except StaleAnnotationError:
            outcomes.append("stale")

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved"] + ["stale"] * 7


@pytest.mark.parametrize("content", [b"", b'{"status": "done"', b"\x00" * 500, b"null\n"])
def test_a_broken_file_is_reported_and_set_aside_and_the_rest_goes_on(dataset: Dataset, content: bytes) -> None:
    for number in range(3):
        dataset.save(Annotation(f"1.{number}", "AM", status="done"))
    path = dataset.annotation_path("1.1", "AM")
    path.write_bytes(content)
    with pytest.warns(BrokenAnnotationWarning, match=r"1\.1\.json.*set aside as 1\.1\.json\.broken-1"):
        rest = list(dataset.annotations("AM"))
    assert [mark.radiograph for mark in rest] == ["1.0", "1.2"]
    assert path.with_name("1.1.json.broken-1").read_bytes() == content
    assert dataset.annotation("1.1", "AM") is None
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken-2"):
        dataset.annotation("1.1", "AM")


def test_saving_over_a_broken_file_keeps_it_beside(dataset: Dataset) -> None:
    path = dataset.annotation_path("1.1", "AM")
    dataset.save(Annotation("1.1", "AM"))
    path.write_bytes(b"{")
    with pytest.warns(BrokenAnnotationWarning):
        saved = dataset.save(Annotation("1.1", "AM", comment="again"))
    assert dataset.annotation("1.1", "AM") == saved
    assert path.with_name("1.1.json.broken-1").read_bytes() == b"{"


def test_an_annotation_of_a_newer_version_is_neither_read_nor_moved_nor_replaced(dataset: Dataset) -> None:
    dataset.save(Annotation("1.1", "AM"))
    path = dataset.annotation_path("1.1", "AM")
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    content = path.read_bytes()
    with pytest.raises(NewerFormatError, match=r"format version is 2.*update FractureAI"):
        dataset.annotation("1.1", "AM")
    with pytest.raises(NewerFormatError):
        dataset.save(Annotation("1.1", "AM"))
    reported: list[DatasetError] = []
    assert list(dataset.annotations(report=reported.append)) == []
    assert len(reported) == 1
    assert path.read_bytes() == content


def test_a_file_under_a_wrong_name_is_not_taken_for_another_radiograph(dataset: Dataset) -> None:
    dataset.save(Annotation("1.1", "AM"))
    path = dataset.annotation_path("1.1", "AM")
    path.rename(path.with_name("1.2.json"))
    with pytest.raises(DatasetError, match=r"of radiograph '1\.1', not '1\.2'"):
        dataset.annotation("1.2", "AM")


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "C:\\x", "..", ".", "CON", "nul.txt", "a b", "médecin", "a/b", "%2e"]
)
def test_hostile_ids_and_raters_stay_one_file_in_their_folder(dataset: Dataset, name: str) -> None:
    dataset.save(Annotation(name, name))
    path = dataset.annotation_path(name, name)
    assert path.resolve().parent.parent == (dataset.folder / "annotations").resolve()
    assert dataset.raters == (name,)
    assert [mark.radiograph for mark in dataset.annotations()] == [name]


@pytest.mark.parametrize("name", ["", " ", "a ", "a\n", "a\x00", "x" * 300, "\ud800"])
def test_unusable_names_are_refused(dataset: Dataset, name: str) -> None:
    for annotation in (Annotation(name, "AM"), Annotation("1", name)):
        with pytest.raises(DatasetError, match="can not be used"):
            dataset.save(annotation)
    assert list(dataset.annotations()) == []


def test_raters_that_differ_in_case_only_are_refused(dataset: Dataset) -> None:
    dataset.save(Annotation("1", "AM"))
    with pytest.raises(DatasetError, match="upper and lower case"):
        dataset.save(Annotation("1", "Am"))


def test_two_ways_to_write_an_accent_are_one_rater(dataset: Dataset) -> None:
    dataset.save(Annotation("1", "e\u0301"))
    saved = dataset.save(Annotation("1", "\u00e9"))
    assert saved.revision == 2
    assert dataset.raters == ("\u00e9",)


def test_wrong_values_are_refused_before_anything_is_written(dataset: Dataset) -> None:
    good = dataset.save(Annotation("1", "AM"))
    for wrong in (
        replace(good, label="broken"),
        replace(good, status="x"),
        replace(good, landmarks={"a": (float("nan"), 0.0)}),
        replace(good, landmarks={"a": (1.0, 2.0, 3.0)}),  # type: ignore[dict-item]
        replace(good, comment="\ud800"),
    ):
        with pytest.raises(DatasetError):
            dataset.save(wrong)
    assert dataset.annotation("1", "AM") == good
    assert [path.name for path in dataset.annotation_path("1", "AM").parent.iterdir()] == ["1.json"]


def test_folders_of_other_programs_are_no_raters(dataset: Dataset) -> None:
    dataset.save(Annotation("1", "AM"))
    (dataset.folder / "annotations" / "@eaDir").mkdir()
    (dataset.folder / "annotations" / ".DS_Store").touch()
    assert dataset.raters == ("AM",)
    assert [path.name for path in dataset.foreign_folders] == ["@eaDir"]


def test_save_all_with_a_given_time_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in "ab":
        dataset = Dataset.create(tmp_path / name, name="x")
        assert dataset.save_all([Annotation("1", "truth"), Annotation("2", "truth")], updated="2000-01-01") == 2
        contents.append([dataset.annotation_path(i, "truth").read_bytes() for i in "12"])
    assert contents[0] == contents[1]


def test_changes_by_others_are_seen_although_parsed_files_are_kept(dataset: Dataset) -> None:
    dataset.save(Annotation("1", "AM", comment="a"))
    assert [mark.comment for mark in dataset.annotations()] == ["a"]
    Dataset.open(dataset.folder).save(Annotation("1", "AM", comment="b"))
    assert [mark.comment for mark in dataset.annotations()] == ["b"]


def done(radiograph: str, rater: str, label: str = "normal") -> Annotation:
    return Annotation(radiograph, rater, status="done", label=label)


def test_reference_is_consensus_then_truth_then_the_only_person(dataset: Dataset) -> None:
    dataset.add_rows(RadiographRow(name) for name in "abcd")
    for annotation in (
        done("a", "consensus"), done("a", "truth"), done("a", "AM"), done("a", "HP"),
        done("b", "truth"), done("b", "AM"),
        done("c", "HP"), replace(done("c", "AM"), status="open"), done("c", "model:x"),
        replace(done("d", "AM"), status="flagged"), done("unknown", "AM"),
    ):  # fmt: skip
        dataset.save(annotation)
    chosen = dataset.reference_annotations()
    assert {radiograph: mark.rater for radiograph, mark in chosen.items()} == {
        "a": "consensus",
        "b": "truth",
        "c": "HP",
    }
    assert list(chosen) == ["a", "b", "c"]
    named = dataset.reference_annotations(["AM", "HP"])
    assert {radiograph: mark.rater for radiograph, mark in named.items()} == {"a": "AM", "b": "AM", "c": "HP"}
    assert dataset.reference_annotations(["model:x"])["c"].rater == "model:x"


def test_several_people_without_consensus_must_be_named(dataset: Dataset) -> None:
    dataset.add_rows([RadiographRow("a")])
    dataset.save(done("a", "AM"))
    dataset.save(done("a", "HP"))
    with pytest.raises(DatasetError, match=r"AM and HP both marked radiograph a.*raters="):
        dataset.reference_annotations()
    with pytest.raises(DatasetError, match=r"rater XY has no annotations; raters are: AM, HP"):
        dataset.reference_annotations(["XY"])
    assert dataset.reference_annotations(["HP"])["a"].rater == "HP"


def test_view_and_side_of_the_rater_win_over_the_table() -> None:
    row = RadiographRow("a", view="PA", side="L")
    assert (resolve_view(row, None), resolve_side(row, None)) == ("PA", "L")
    mark = Annotation("a", "AM", view="LAT", side="R")
    assert (resolve_view(row, mark), resolve_side(row, mark)) == ("LAT", "R")
    unknown = Annotation("a", "AM", view="unknown")
    assert (resolve_view(row, unknown), resolve_side(RadiographRow("a", side=""), unknown)) == ("PA", "unknown")


def test_a_study_is_fractured_when_one_view_is(dataset: Dataset) -> None:
    rows = [RadiographRow(f"{study}{view}", study=study) for study in "abcd" for view in "12"]
    dataset.add_rows(rows)
    labels = {"a1": "normal", "a2": "fracture", "b1": "normal", "b2": "normal", "c1": "normal", "c2": "uncertain"}
    dataset.save_all(done(name, "AM", label) for name, label in labels.items())
    found = study_labels(dataset, dataset.reference_annotations())
    assert found == {"a": "fracture", "b": "normal", "c": "uncertain"}
