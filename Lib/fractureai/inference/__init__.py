"""Read a study with a bundle: localize, crop, classify, decide or refer. Needs no torch."""

from fractureai.inference.activation import activation_on_image
from fractureai.inference.outputs import prediction_to_json
from fractureai.inference.pipeline import Pipeline
from fractureai.inference.prediction import Prediction, Referral, ViewPrediction
from fractureai.inference.proposals import Proposal, ViewProposal, propose
from fractureai.inference.runtime import OnnxRuntime, Runtime

__all__ = [
    "OnnxRuntime",
    "Pipeline",
    "Prediction",
    "Proposal",
    "Referral",
    "Runtime",
    "ViewPrediction",
    "ViewProposal",
    "activation_on_image",
    "prediction_to_json",
    "propose",
]
