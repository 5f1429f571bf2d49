"""Self-test of the page Read's words, figures, bars and log: needs no server and no window of the host."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

import qt

if "FractureAILib" not in sys.modules:  # in Slicer the module's folder is on the path already
    sys.path.append(str(Path(__file__).resolve().parents[2] / "FractureAI"))

from FractureAILib import probability_bar, reading_log, reading_text, stages


def figures(probability, threshold, interval=None):
    return {"probability": probability, "threshold": threshold, "interval": interval, "interval_text": "95 % interval"}


def make_reading(views=(("PA", 0.9), ("LAT", 0.84)), ensemble=0.87, interval=(0.79, 0.93), threshold=0.5, **changes):
    listed = [{"view": name, **figures(value, threshold, [value - 0.05, value + 0.05])} for name, value in views]
    reading = {
        "study": "1.2.3",
        "views": listed,
        "ensemble": figures(ensemble, threshold, interval),
        "decision": "positive" if ensemble is not None and ensemble >= threshold else "negative",
        "decision_text": "Fracture likely" if ensemble is not None and ensemble >= threshold else "Fracture unlikely",
        "refer": False,
        "reasons": [],
        "problems": [],
        "model": "wrist-1",
        "notice": "",
        "not_a_medical_device": "Not a medical device.",
    }
    return {**reading, **changes}


class Verdict:
    reader, agrees, reason, comment, time = "AM", False, "image", "=blurred", "2026-11-20T20:00:00+00:00"


class FractureAIReadTest(unittest.TestCase):
    def test_the_first_line_has_all_that_belongs_to_a_probability(self):
        line = reading_text.first_line(make_reading())
        assert line == "Fracture likely   0.87   (threshold 0.50, 95 % CI 0.79-0.93)"

    def test_doubts_come_first(self):
        reason = {"code": "views-disagree", "text": "PA and LAT disagree."}
        reading = make_reading(refer=True, reasons=[reason, reason], problems=["x.dcm: cut off."])
        assert reading_text.first_line(reading) == "Not sure: please read without me"
        assert reading_text.reasons(reading) == ("PA and LAT disagree.", "x.dcm: cut off.")
        assert "Fracture likely, 0.87" in reading_text.withheld(reading)

    def test_a_reading_of_nothing(self):
        reading = make_reading(views=(), ensemble=None, decision="refer", refer=True)
        assert reading_text.lines(reading) == ()
        assert reading_text.first_line(reading) == "Not sure: please read without me"
        assert reading_text.withheld(reading) == ""

    def test_a_value_below_its_threshold_does_not_look_equal_to_it(self):
        reading = make_reading(views=(("PA", 0.4996),), ensemble=0.4996, interval=(0.4, 0.6))
        line = reading_text.first_line(reading)
        assert line.startswith("Fracture unlikely   0.4996   (threshold 0.5000"), line

    def test_an_interval_does_not_look_empty(self):
        reading = make_reading(views=(("PA", 0.991),), ensemble=0.991, interval=(0.9893, 0.9921))
        reading["views"][0]["interval"] = [0.9893, 0.9921]
        assert "95 % CI 0.989-0.992" in reading_text.first_line(reading)

    def test_a_reading_without_interval_says_so(self):
        reading = make_reading(views=(("PA", 0.9),))
        reading["views"][0]["interval"] = None
        assert "no interval stored" in reading_text.first_line(reading)

    def test_two_radiographs_of_one_view_are_told_apart(self):
        reading = make_reading(views=(("PA", 0.9), ("PA", 0.8)))
        assert [line.label for line in reading_text.lines(reading)] == ["PA 1", "PA 2", "Both"]

    def test_bars_show_threshold_and_which_side_of_it(self):
        lines = reading_text.lines(make_reading(views=(("PA", 0.9), ("LAT", 0.3)), ensemble=0.6))
        palette = qt.QPalette()
        pixmap = probability_bar.draw_bars(lines, 400, palette)
        image = pixmap.toImage()
        ink = palette.color(qt.QPalette.WindowText).rgb()
        middle = [probability_bar.ROW_HEIGHT * row + probability_bar.ROW_HEIGHT // 2 for row in range(3)]
        left, length = 48, 400 - 48 - 12
        for row in middle:
            assert image.pixelColor(left + length // 2 - 1, row - 8).rgb() == ink  # the threshold's stroke
        full, hollow = (image.pixelColor(left + 30, middle[row] - 1) for row in (0, 1))
        assert full.blue() > full.red()
        assert full.alpha() == 255
        assert hollow.alpha() < 255

    def test_stages_are_told_apart_by_shape(self):
        text = stages.stages_text("crop")
        assert (text.count("✓"), text.count("●"), text.count("○")) == (2, 1, 1)
        assert [stages.stage_number(stage) for stage in (None, "read", "classify")] == [0, 1, 4]

    def test_the_log_keeps_every_line_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / reading_log.FILE_NAME
            reading_log.append(path, reading_log.entry(make_reading(), Verdict))
            path.write_bytes(path.read_bytes() + b'{"cut')  # as if another program had been killed
            reading_log.append(path, reading_log.entry(make_reading(), Verdict))
            lines = reading_log.entries(path)
            assert [line["reader"] for line in lines] == ["AM", "AM"]
            assert json.loads(path.read_text("utf-8").splitlines()[-1])["high"] == 0.93
            assert reading_log.export_csv(path, Path(folder) / "out.csv") == 2
            table = (Path(folder) / "out.csv").read_text("utf-8-sig")
            assert "'=blurred" in table  # no formula for a spreadsheet
            assert ",no," in table


if __name__ == "__main__":
    unittest.main()
