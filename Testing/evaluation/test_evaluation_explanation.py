"""Explanation over a split: the figures put together, and the whole of it on simulated wrists."""

from __future__ import annotations

import csv
import functools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from fractureai.dataset import Dataset
from fractureai.evaluation import CaseResult, SplitReading, cases_from_predictions, read_split, write_split_report
from fractureai.evaluation.explanation import MAPS, ViewExplanation, explain_radiographs
from fractureai.evaluation.explanation_figure import choose_examples
from fractureai.evaluation.explanation_report import explanation_report, mean_estimate, spearman_estimate
from fractureai.evaluation.map_scores import MapScore, map_agreement
from fractureai.inference import OnnxRuntime, Pipeline, ViewPrediction
from fractureai.inference.occlusion import occlude_view
from fractureai.phantom import PhantomConfig, write_dataset


def view(index: int, hit: bool, *, called: bool = True, label: bool = True, **changes: object) -> ViewExplanation:
    values = {
        "study": f"s{index}",
        "patient": f"p{index // 2}",
        "radiograph": f"r{index}",
        "view": "PA" if index % 2 else "LAT",
        "label": label,
        "probability": 0.9 if called else 0.1,
        "called": called,
        "dispersion": 0.3 + index / 100,
        "agreement": math.nan,
        "chance_agreement": math.nan,
        "maps": {
            "grad-cam": MapScore(float(hit), 1.0, 0.4, 0.6),
            "centre": MapScore(0.0, 1.0, math.nan, math.nan),
            "uniform": MapScore(0.1, 0.2, 0.1, 0.2),
        },
    }
    return ViewExplanation(**{**values, **changes})


def test_hits_have_wilsons_interval_and_masses_that_of_patients() -> None:
    rows = [view(i, hit=i % 4 > 0, called=i < 6) for i in range(8)]
    report = explanation_report(rows)
    cam = {(row.view, row.cases): row for row in report.maps if row.map == "grad-cam"}
    assert list(cam) == [(v, c) for v in ("all", "PA", "LAT") for c in ("marked", "found")]
    inside = cam["all", "marked"].inside
    assert (inside.value, inside.low, inside.high) == pytest.approx((0.75, *proportion_confint(6, 8, method="wilson")))
    assert (cam["all", "found"].n, cam["PA", "marked"].n, cam["LAT", "found"].n) == (6, 4, 3)
    assert cam["all", "marked"].mass.value == pytest.approx(0.4)
    assert math.isnan(next(row for row in report.maps if row.map == "centre").mass.value)
    uniform = next(row for row in report.maps if row.map == "uniform")
    assert (uniform.inside.value, uniform.near.value) == pytest.approx((0.1, 0.2))
    assert not [row for row in report.maps if row.map == "occlusion"]


def test_radiographs_of_one_patient_are_drawn_together() -> None:
    values = np.repeat([0.0, 1.0] * 10, 4)
    alone = mean_estimate(values, [str(i) for i in range(80)])
    together = mean_estimate(values, [str(i // 4) for i in range(80)])
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 1.6 * (alone.high - alone.low)
    assert together.high == pytest.approx(0.5 + 1.96 * 0.5 / math.sqrt(20), abs=0.03)
    assert math.isnan(mean_estimate([math.nan], ["a"]).value)
    assert mean_estimate([1.0, math.nan, 2.0], ["a", "b", "c"]).value == 1.5


def test_errors_are_told_by_auroc_and_rank_correlation() -> None:
    generator = np.random.default_rng(3)
    rows = [
        view(i, True, called=bool(generator.random() < 0.6), dispersion=float(generator.random()), maps={})
        for i in range(40)
    ]
    row = explanation_report(rows).errors[0]
    wrong = [not r.called for r in rows]
    spread = [r.dispersion for r in rows]
    assert (row.measure, row.n, row.n_wrong) == ("dispersion", 40, sum(wrong))
    assert row.auroc.value == pytest.approx(roc_auc_score(wrong, spread))
    assert row.correlation.value == pytest.approx(spearmanr(spread, [abs(1 - r.probability) for r in rows]).statistic)
    assert row.correlation.low < row.correlation.value < row.correlation.high
    assert explanation_report(rows).errors[1].n == 0  # one fold: no agreement


def test_interval_of_the_rank_correlation_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    true = 6 / math.pi * math.asin(0.5 / 2)  # of a bivariate normal distribution with correlation 0.5
    covered = []
    for _ in range(300):
        x = generator.normal(size=60)
        found = spearman_estimate(list(x), list(0.5 * x + math.sqrt(0.75) * generator.normal(size=60)))
        covered.append(found.low <= true <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.985
    assert math.isnan(spearman_estimate([1, 2, 3], [1, 2, 3]).value)
    assert math.isnan(spearman_estimate([1, 1, 1, 1], [1, 2, 3, 4]).value)


def test_examples_are_typical_studies_of_each_kind(cases_of: Callable[..., tuple[CaseResult, ...]]) -> None:
    cases = cases_of(80)
    chosen = {key: case for key, _, case in choose_examples(cases)}
    assert list(chosen) == ["true-positive-general", "true-positive-hard", "false-negative-hard"]
    for key, case in chosen.items():
        alike = [
            c.probability for c in cases if c.label and c.called == case.called and c.stratum == case.stratum
        ]  # fmt: skip
        assert case.called is key.startswith("true")
        assert case.stratum == key.rsplit("-", 1)[1]
        assert case.probability == sorted(alike)[len(alike) // 2]
    easy = [case for case in cases if case.stratum == "general"]
    assert [key for key, _, _ in choose_examples(easy)] == ["true-positive-general", "false-negative"]
    found = [case for case in easy if case.called]
    assert [key for key, _, _ in choose_examples(found)] == ["true-positive-general"]
    one_view = [replace(case, views=case.views[:1]) for case in found[1:]]
    assert choose_examples([found[0], *one_view])[0][2] is found[0]  # both views are shown where there are both
    assert choose_examples([]) == ()


@dataclass(frozen=True)
class Wrists:
    dataset: Dataset
    pipeline: Pipeline
    reading: SplitReading
    cases: tuple[CaseResult, ...]


@pytest.fixture(scope="module")
def wrists(tmp_path_factory: pytest.TempPathFactory) -> Wrists:
    folder = tmp_path_factory.mktemp("wrists") / "set"
    config = PhantomConfig(pixels=512, fracture_fraction=0.8, hard_fraction=0.2)
    write_dataset(folder, studies=10, seed=6001, config=config, workers=1)
    dataset = Dataset.open(folder)
    pipeline = Pipeline.load("demo", threads=1)
    reading = read_split(dataset, pipeline.read, split=None)
    return Wrists(dataset, pipeline, reading, cases_from_predictions(dataset, reading.predictions).cases)


@pytest.mark.slow
def test_grad_cam_points_at_fractures_better_than_what_knows_nothing(wrists: Wrists) -> None:
    told: list[tuple[int, int]] = []
    rows = explain_radiographs(
        wrists.dataset, wrists.cases, wrists.reading.predictions, progress=lambda *at: told.append(at)
    )
    assert len(rows) == 20
    assert told == [(i, 20) for i in range(21)]
    marked = [row for row in rows if row.maps]
    assert {row.label for row in marked} == {True}
    assert set(marked[0].maps) == set(MAPS) - {"occlusion"}
    table = {row.map: row for row in explanation_report(rows).maps if (row.view, row.cases) == ("all", "found")}
    cam = table["grad-cam"]
    assert cam.n >= 8
    assert cam.near.value >= 0.8
    for name in ("other-radiographs", "uniform"):
        assert cam.near.value > table[name].near.value
        assert cam.mass.value > 1.5 * table[name].mass.value
    assert cam.inside.value > table["centre"].inside.value
    assert math.isnan(rows[0].agreement)  # the demo bundle has one network a view


@pytest.mark.slow
def test_occlusion_stands_beside_grad_cam_for_as_many_as_asked(wrists: Wrists) -> None:
    rows = explain_radiographs(
        wrists.dataset,
        wrists.cases,
        wrists.reading.predictions,
        occlude=functools.partial(occlude_view, wrists.pipeline, patch_mm=14, stride_mm=14),
        occlusions=3,
    )
    occluded = [row for row in rows if "occlusion" in row.maps]
    assert len(occluded) == 3
    assert all(-1 <= row.occlusion_correlation <= 1 for row in occluded)
    assert [row.radiograph for row in rows if not math.isnan(row.occlusion_correlation)] == [
        row.radiograph for row in occluded
    ]
    table = {row.map: row.n for row in explanation_report(rows).maps if (row.view, row.cases) == ("all", "marked")}
    assert table["occlusion"] == 3


@pytest.mark.slow
def test_folds_agree_on_a_radiograph_more_than_on_another(wrists: Wrists) -> None:
    """Three folds: the bundle's network, and two that see the same with noise of their own."""
    generator = np.random.default_rng(6)

    def with_folds(reading: ViewPrediction) -> ViewPrediction:
        maps = reading.window_maps.maps
        noise = generator.random((3, *maps.shape[1:])).astype(np.float32) * maps.max() / 4
        return replace(reading, window_maps=replace(reading.window_maps, maps=maps + noise))

    predictions = {
        key: replace(prediction, views=tuple(map(with_folds, prediction.views)))
        for key, prediction in wrists.reading.predictions.items()
    }
    rows = explain_radiographs(wrists.dataset, wrists.cases, predictions)
    row = explanation_report(rows).agreement[0]
    assert (row.n_folds, row.n_chance) == (20, 20)
    assert row.folds.value > row.chance.value + 0.3
    first = rows[0]
    members = predictions[first.study].views[0].member_maps.reshape(3, -1)
    assert first.agreement == pytest.approx(np.corrcoef(members)[np.triu_indices(3, 1)].mean(), abs=1e-5)


@pytest.mark.slow
def test_the_report_has_table_figure_and_files(wrists: Wrists, tmp_path: Path) -> None:
    evaluation, page = write_split_report(wrists.dataset, wrists.pipeline.bundle, wrists.reading, None, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Does the map show why" in text
    assert "Mean Grad-CAM of the other radiographs" in text
    assert (tmp_path / "figures" / "explanation.svg").stat().st_size > 50_000
    assert (tmp_path / "figures" / "explanation.png").stat().st_size > 50_000
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))["explanation"]
    assert len(numbers["radiographs"]) == 20
    assert numbers["maps"][0]["inside"]["value"] == pytest.approx(evaluation.explanation.maps[0].inside.value)
    with (tmp_path / "explanation.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert float(table[0]["inside"]) == pytest.approx(evaluation.explanation.maps[0].inside.value)
    # The figure of true positives with a margin is that of the report's older section.
    cam = next(
        row for row in evaluation.explanation.maps if (row.view, row.cases, row.map) == ("all", "found", "grad-cam")
    )
    assert cam.near.value == pytest.approx(evaluation.localisation[0].share.value, abs=1 / cam.n)


def with_head(path: Path, folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> OnnxRuntime:
    """Load a classifier of the demo bundle with other weights in its last layer."""
    model = onnx.load(path)
    weights = {item.name: item for item in model.graph.initializer}
    head = change(numpy_helper.to_array(weights["network.head.weight"])).astype(np.float32)
    margin = next(
        name for node in model.graph.node if node.op_type == "Einsum" for name in node.input if name in weights
    )
    for name, values in (("network.head.weight", head), (margin, head[1] - head[0])):
        weights[name].CopyFrom(numpy_helper.from_array(values, name))
    target = folder / f"{path.parent.name}.onnx"
    onnx.save(model, target)
    return OnnxRuntime(target, threads=1)


def heads(wrists: Wrists, folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
    """Yield each radiograph's map by a bundle with a changed head, and by the bundle itself."""

    def runtime(path: Path) -> OnnxRuntime:
        return with_head(path, folder, change) if "classifier" in path.name else OnnxRuntime(path, threads=1)

    changed = Pipeline.load("demo", runtime=runtime)
    others = read_split(wrists.dataset, changed.read, split=None).predictions
    for key, prediction in wrists.reading.predictions.items():
        for other, own in zip(others[key].views, prediction.views, strict=True):
            yield np.stack([other.activation_map, own.activation_map])


@pytest.mark.slow
def test_random_weights_give_other_maps(wrists: Wrists, tmp_path: Path) -> None:
    """Sanity check of Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, section 3: randomised weights.

    A map that stayed the same would show edges of the image, not what the network learnt. Single random heads can lie
    near the trained one by chance (the features are few and alike), so the mean over heads counts.
    """
    means = []
    for seed in range(8):
        generator = np.random.default_rng(seed)
        pairs = heads(wrists, tmp_path, lambda head, g=generator: g.normal(0, head.std(), head.shape))
        means.append(np.nanmean([map_agreement(*pair) for pair in pairs]))
    assert abs(np.mean(means)) < 0.3
    assert np.max(means) < 0.7
    generator = np.random.default_rng(0)
    jolted = heads(wrists, tmp_path, lambda head: head + generator.normal(0, 0.1 * head.std(), head.shape))
    assert np.mean([map_agreement(*pair) for pair in jolted]) > 0.9  # the same measure sees that maps are the same
