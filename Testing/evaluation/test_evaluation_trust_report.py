"""Whether a report says that a bundle was calibrated on the studies it is judged by."""

from dataclasses import replace

import pytest

from fractureai.bundle import load_bundle
from fractureai.evaluation.trust_report import FITTED_HERE, fitted_here, trust_parts

DATASET = "Simulated wrists, seed 71"


@pytest.fixture(scope="module")
def bundle():
    return load_bundle("demo")


@pytest.mark.parametrize(
    ("fitted_on", "judged_by", "expected"),
    [
        ("held-out", "validation", True),
        ("held-out", "train", True),
        ("held-out", None, True),
        ("held-out", "test", False),
        ("test", "test", True),
        ("all", "test", True),
    ],
)
def test_the_same_studies_are_known_again(bundle, fitted_on, judged_by, expected):
    source = {**bundle.spec.reliability["source"], "split": fitted_on}
    assert source["dataset"] == DATASET
    spec = replace(bundle.spec, reliability={**bundle.spec.reliability, "source": source})
    assert fitted_here(replace(bundle, spec=spec), DATASET, judged_by) is expected
    assert not fitted_here(replace(bundle, spec=spec), "other wrists", judged_by)


def test_the_report_says_so(bundle, cases_of):
    scores = dict.fromkeys(("entropy", "margin", "knn"), 0.3)
    cases = [replace(case, scores=scores, uncertainty=0.1, calibrated=case.probability) for case in cases_of(60)]
    here, elsewhere = (trust_parts(bundle, name, "validation", cases)[1].note for name in (DATASET, "other wrists"))
    assert FITTED_HERE in here
    assert FITTED_HERE not in elsewhere


def test_a_bundle_that_was_never_calibrated_has_neither(bundle, cases_of):
    bare = replace(bundle, spec=replace(bundle.spec, reliability=None))
    assert trust_parts(bare, DATASET, "test", cases_of(20)) == (None, None)
