"""The folder, the table, the worklist, names and locks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fractureai.dataset import Annotation, Dataset, RadiographRow, next_open
from fractureai.dataset.files import decode_name, encode_name, file_lock, write_atomically
from fractureai.dataset.table import COLUMNS, rows_from_csv, rows_to_csv
from fractureai.errors import DatasetError, SiteError

SITE = Path(__file__).parents[2] / "Lib" / "fractureai" / "sites" / "wrist.toml"
DEVICES = {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
lengths = st.none() | st.floats(0.001, 100)
rows_strategy = st.lists(
    st.builds(
        RadiographRow,
        id=texts.filter(bool),
        study=texts,
        patient=texts,
        view=texts,
        side=texts,
        file=texts,
        sha256=texts,
        row_spacing_mm=lengths,
        col_spacing_mm=lengths,
        age_years=st.none() | st.floats(0, 120),
        sex=texts,
        date=texts,
        stratum=texts,
        description=texts,
        extra=st.dictionaries(st.sampled_from(["hospital", "note, with comma", "x;y"]), texts.filter(bool), max_size=2),
    ),
    max_size=5,
    unique_by=lambda row: row.id.casefold(),
)


@given(rows_strategy)
def test_rows_come_back_from_csv_as_they_were(rows: list[RadiographRow]) -> None:
    data = rows_to_csv(rows)
    assert rows_from_csv(data, Path("t.csv")) == tuple(rows)
    assert rows_to_csv(rows_from_csv(data, Path("t.csv"))) == data


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=15))
def test_an_encoded_name_is_one_safe_component_and_comes_back(text: str) -> None:
    try:
        name = encode_name(text)
    except ValueError:
        return
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%")
    assert not name.startswith(".")
    assert not name.endswith(".")
    assert name.split(".")[0].upper() not in DEVICES
    assert encode_name(decode_name(name)) == name


def test_uids_stay_as_they_are() -> None:
    assert encode_name("1.2.840.113619.2") == "1.2.840.113619.2"
    assert encode_name("../../x") == "%2E.%2F..%2Fx"


@pytest.mark.parametrize("name", ["a b", "%41", "%2", "%zz", ".a", "ä", "CON", "%2e"])
def test_other_names_are_not_decoded(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        decode_name(name)


def test_create_makes_the_documented_folder_and_open_reads_it(tmp_path: Path) -> None:
    created = Dataset.create(tmp_path / "new" / "ds", name='Wrists "2024" – Händel')
    assert Dataset.open(created.folder) == created
    assert created.site.name == "wrist"
    assert created.label_set == ("normal", "fracture", "uncertain")
    assert {path.name for path in created.folder.iterdir()} == {
        "dataset.toml", "radiographs.csv", "images", "annotations", ".gitignore",
    }  # fmt: skip
    assert (created.folder / "radiographs.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert "pseudonym.key" in (created.folder / ".gitignore").read_text()
    with pytest.raises(DatasetError, match="a dataset already"):
        Dataset.create(created.folder, name="again")


def test_an_own_site_travels_with_the_dataset(tmp_path: Path) -> None:
    own = tmp_path / "ankle.toml"
    own.write_text(SITE.read_text(encoding="utf-8").replace('name = "wrist"', 'name = "ankle"'), encoding="utf-8")
    created = Dataset.create(tmp_path / "ds", name="x", site=own)
    own.unlink()
    moved = created.folder.rename(tmp_path / "moved")
    assert Dataset.open(moved).site.name == "ankle"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("x", "not valid TOML"),
        ('format_version = 2\nname = "a"\nsite = "wrist"\nlabel_set = ["a"]', "update FractureAI"),
        ('format_version = 1\nname = "a"\nsite = "wrist"', "label_set"),
        ('format_version = 1\nname = "a"\nsite = "wrist"\nlabel_set = [1]', "label_set"),
    ],
)
def test_a_malformed_dataset_is_refused_with_a_reason(dataset: Dataset, content: str, complaint: str) -> None:
    (dataset.folder / "dataset.toml").write_text(content)
    with pytest.raises(DatasetError, match=complaint):
        Dataset.open(dataset.folder)


def test_a_folder_without_dataset_or_with_unknown_site_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"no dataset\.toml"):
        Dataset.open(tmp_path)
    with pytest.raises(SiteError, match="no site knee"):
        Dataset.create(tmp_path / "b", name="b", site="knee")
    with pytest.raises(DatasetError, match="control characters"):
        Dataset.create(tmp_path / "b", name="b\n")
    (dataset.folder / "radiographs.csv").unlink()
    with pytest.raises(DatasetError, match=r"radiographs\.csv.*restore"):
        _ = dataset.radiographs


def test_rows_are_added_replaced_and_found(dataset: Dataset) -> None:
    dataset.add_rows([RadiographRow("1", patient="p"), RadiographRow("2", extra={"hospital": "H"})])
    dataset.add_rows([RadiographRow("3", study="s")])
    dataset.update_rows([RadiographRow("2", view="PA")])
    assert [row.id for row in Dataset.open(dataset.folder).radiographs] == ["1", "2", "3"]
    assert dataset.row("2").view == "PA"
    assert "3" in dataset
    assert "4" not in dataset
    assert [row.group for row in dataset.radiographs] == ["p", "2", "s"]
    with pytest.raises(DatasetError, match="no radiograph 4"):
        dataset.row("4")
    with pytest.raises(DatasetError, match="no radiograph 4"):
        dataset.update_rows([RadiographRow("4")])


@pytest.mark.parametrize("bad", ["1", "A", "", "x\ny", "y" * 300])
def test_a_row_that_can_not_be_is_refused_and_nothing_added(dataset: Dataset, bad: str) -> None:
    dataset.add_rows([RadiographRow("1"), RadiographRow("a")])
    with pytest.raises(DatasetError):
        dataset.add_rows([RadiographRow("good"), RadiographRow(bad)])
    assert [row.id for row in dataset.radiographs] == ["1", "a"]


def test_a_table_saved_by_a_spreadsheet_program_is_read() -> None:
    data = "\ufeffid;patient;age_years;hospital\r\n1;p;7,5\r\n".replace("7,5", "7.5").encode()
    (row,) = rows_from_csv(data, Path("t.csv"))
    assert (row.id, row.patient, row.age_years, row.view) == ("1", "p", 7.5, "unknown")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "first line"),
        ("patient\n1\n", "first line"),
        ("id,id\n1,1\n", "first line"),
        ("id\n1,2\n", "line 2 has 2 cells"),
        ("id,age_years\n1,old\n", "line 2: age_years is 'old'"),
        ("id,row_spacing_mm\n1,0\n", "row_spacing_mm is '0'"),
        ("id,row_spacing_mm\n1,nan\n", "row_spacing_mm is 'nan'"),
        ("id,patient\n,p\n", "line 2 has no id"),
        ("id\n1\n1\n", "radiograph 1 is there twice"),
        ("id\n\xff\n", "UTF-8"),
    ],
)
def test_a_malformed_table_is_refused_with_the_line(text: str, complaint: str) -> None:
    with pytest.raises(DatasetError, match=r"t\.csv") as error:
        rows_from_csv(text.encode("latin-1"), Path("t.csv"))
    assert complaint in str(error.value)


def fill_worklist(dataset: Dataset) -> None:
    dataset.add_rows(RadiographRow(f"1.{i}", view=("PA", "LAT")[i % 2], description=f"Röntgen {i}") for i in range(6))
    dataset.save_all(
        [
            Annotation("1.0", "AM", status="done"),
            Annotation("1.1", "AM", status="flagged", comment="Ask Heidi"),
            Annotation("1.2", "AM"),
            Annotation("1.4", "AM", view="LAT"),
            Annotation("1.3", "HP", status="done"),
        ]
    )


def test_the_worklist_puts_open_first_then_flagged_then_done(dataset: Dataset) -> None:
    fill_worklist(dataset)
    ids = [item.row.id for item in dataset.worklist("AM")]
    assert ids == ["1.2", "1.3", "1.4", "1.5", "1.1", "1.0"]
    assert [item.status for item in dataset.worklist("HP")] == ["open"] * 5 + ["done"]
    assert [item.row.id for item in dataset.worklist("AM", status="flagged")] == ["1.1"]
    assert [item.row.id for item in dataset.worklist("AM", text="RÖNTGEN 3")] == ["1.3"]
    assert [item.row.id for item in dataset.worklist("AM", text="heidi")] == ["1.1"]
    assert [item.row.id for item in dataset.worklist("AM", view="LAT")] == ["1.3", "1.4", "1.5", "1.1"]
    with pytest.raises(DatasetError, match="no status finished"):
        dataset.worklist("AM", status="finished")


def test_next_goes_on_after_the_radiograph_just_left_and_begins_again(dataset: Dataset) -> None:
    fill_worklist(dataset)
    work = dataset.worklist("AM")

    def following(radiograph: str | None) -> str | None:
        item = next_open(work, radiograph)
        return item.row.id if item else None

    assert following(None) == "1.2"
    assert following("1.0") == "1.2"
    assert following("1.3") == "1.4"
    assert following("1.5") == "1.2"
    assert following("not there") == "1.2"
    assert next_open(dataset.worklist("AM", text="Röntgen 5"), "1.5") is None


def test_twenty_thousand_radiographs_are_listed_without_opening_one_file_twice(dataset: Dataset) -> None:
    dataset.add_rows(RadiographRow(f"1.{i}", study=f"s{i}") for i in range(20_000))
    dataset.save_all(Annotation(f"1.{i}", "AM", status="done") for i in range(0, 200))
    work = Dataset.open(dataset.folder).worklist("AM")
    assert len(work) == 20_000
    assert sum(item.status == "done" for item in work) == 200


def test_atomic_write_keeps_the_old_content_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "x").touch()
    with pytest.raises(DatasetError, match="could not be written"):
        write_atomically(target, b"new")  # a folder is in the way
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permission_bits_are_given_at_creation(tmp_path: Path) -> None:
    write_atomically(tmp_path / "key", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_lock_held_by_another_process_is_waited_for_then_refused_and_freed_by_its_death(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, time, pathlib\nfrom fractureai.dataset.files import file_lock\n"
        "with file_lock(pathlib.Path(sys.argv[1])):\n print('held', flush=True)\n time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DatasetError, match="another program has been writing"), file_lock(path, timeout_s=0.2):
        pass
    holder.kill()
    holder.communicate()
    started = time.monotonic()
    with file_lock(path, timeout_s=10):
        assert time.monotonic() - started < 5


def test_importing_the_dataset_pulls_in_no_heavy_package() -> None:
    code = (
        "import sys, fractureai.dataset\n"
        "print(*sorted({'torch', 'monai', 'SimpleITK', 'scipy', 'PIL', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_extra_columns_are_kept(dataset: Dataset) -> None:
    path = dataset.folder / "radiographs.csv"
    path.write_text("id,hospital,patient\n1,Heidelberg,p\n")
    dataset.add_rows([RadiographRow("2")])
    assert dataset.row("1") == replace(RadiographRow("1", patient="p"), extra={"hospital": "Heidelberg"})
    assert path.read_text().splitlines()[0] == ",".join((*COLUMNS, "hospital"))
