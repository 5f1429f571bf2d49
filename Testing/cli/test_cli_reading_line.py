"""The one line that a person reads first."""

from fractureai.cli.read import reading_line
from fractureai.inference.prediction import Prediction, Referral


def reading(*referrals: Referral, interval: tuple[float, float] | None = None) -> Prediction:
    return Prediction(
        study="s",
        views=(),
        probability=0.67,
        threshold=0.49,
        decision="positive",
        decision_text="Fracture likely",
        refer=bool(referrals),
        referrals=referrals,
        model="m",
        notice="",
        interval=interval,
    )


def test_a_reading_says_its_decision() -> None:
    assert reading_line(reading()) == "Fracture likely, 0.670 (threshold 0.490)"


def test_a_reading_says_how_steady_it_is() -> None:
    line = reading_line(reading(interval=(0.61234, 0.72)))
    assert line == "Fracture likely, 0.670 (threshold 0.490, 95 % CI 0.612-0.720)"


def test_a_referred_reading_says_first_that_it_is_not_to_be_used() -> None:
    line = reading_line(reading(Referral("views-disagree", "PA and LAT disagree (0.96 and 0.38).")))
    assert line.startswith("Not sure: please read without me")
    assert "Fracture likely, 0.670" in line
