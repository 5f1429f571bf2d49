"""FractureAI: people mark radiographs, models learn from the marks, readings go back to where people look."""

__version__ = "0.1.0"

SIMULATED_DATA_NOTICE = "trained on simulated images; not for clinical use"
"""Stands on every output of a bundle whose training images were simulated."""

NOT_A_MEDICAL_DEVICE = "Not a medical device."
"""Stands where results are shown."""
