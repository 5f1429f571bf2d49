"""The page Review without a window: what is compared, said and written. For Slicer and the host."""

import shutil
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import slicer

from fractureai.dataset import Annotation, Dataset, RadiographRow
from FractureAILib import review_tables
from FractureAILib.review_work import ComparisonCancelledError, accept_unanimous, compare, export_csv

LANDMARKS = {"distal_ulna": (1.0, 2.0), "distal_radius": (30.0, 4.0), "wrist_centre": (5.0, 60.0)}


class FractureAIReviewTest(unittest.TestCase):
    """Two raters on three radiographs: one label differs, one landmark lies apart, one is the same."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.folder = Path(tempfile.mkdtemp(prefix="fractureai-test-"))
        self.dataset = Dataset.create(self.folder / "set", name="set")
        rows = [RadiographRow(f"1.2.{n}", patient=f"P{n}", row_spacing_mm=0.1, col_spacing_mm=0.1) for n in range(3)]
        self.dataset.add_rows(rows)
        for row in rows:
            self.dataset.save(Annotation(row.id, "AM", status="done", label="normal", landmarks=LANDMARKS))
        other = Annotation("", "BK", status="done", label="normal", landmarks=LANDMARKS)
        self.dataset.save(replace(other, radiograph="1.2.0", label="fracture"))
        self.dataset.save(replace(other, radiograph="1.2.1", landmarks={**LANDMARKS, "distal_ulna": (61.0, 2.0)}))
        self.dataset.save(replace(other, radiograph="1.2.2"))

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def compared(self):
        return compare(self.dataset, ["AM", "BK"], lambda: False)

    def test_the_worst_difference_comes_first_and_the_same_is_nothing_to_settle(self):
        pair = self.compared().pair("BK", "AM")
        assert [found.row.id for found in pair.disagreements] == ["1.2.0", "1.2.1", "1.2.2"]
        assert [review_tables.is_same(found) for found in pair.disagreements] == [False, False, True]
        assert "2 of 3" in review_tables.kappa_sentence(pair.kappa, *pair.raters)

    def test_what_all_agree_on_becomes_the_consensus_unless_it_changed_meanwhile(self):
        comparison = self.compared()
        assert [marks[0].radiograph for marks in comparison.unanimous] == ["1.2.2"]
        mark = self.dataset.annotation("1.2.2", "BK")
        self.dataset.save(replace(mark, comment="looked again"))
        assert accept_unanimous(self.dataset, comparison, "CL") == 0
        assert accept_unanimous(self.dataset, self.compared(), "CL") == 1
        assert self.dataset.annotation("1.2.2", "consensus").extra["adjudicated_by"] == "CL"
        assert self.compared().settled == {"1.2.2"}

    def test_a_comparison_can_be_given_up(self):
        with self.assertRaises(ComparisonCancelledError):
            compare(self.dataset, ["AM", "BK"], lambda: True)

    def test_the_table_has_every_difference(self):
        export_csv(self.compared(), str(self.folder / "agreement.csv"))
        text = (self.folder / "agreement.csv").read_text(encoding="utf-8")
        assert all(f"1.2.{n}" in text for n in range(3))
        assert "kappa,3" in text
