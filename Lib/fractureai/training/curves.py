"""Learning curves: TensorBoard events and one PNG a fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from fractureai.training.checkpoint import EpochRecord

TRAINING_COLOUR, VALIDATION_COLOUR, METRIC_COLOUR = "#0072B2", "#D55E00", "#009E73"  # Okabe-Ito


def log_epoch(writer: SummaryWriter, record: EpochRecord, metric_name: str) -> None:
    """Add one epoch to the TensorBoard log."""
    values = {"loss/training": record.loss, "loss/validation": record.validation_loss, metric_name: record.metric}
    values |= {"learning rate": record.learning_rate, "speed/images a second": record.images_per_second}
    values |= {"speed/share waiting for data": record.waiting, "speed/share augmenting": record.augmenting}
    for name, value in values.items():
        writer.add_scalar(name, value, record.epoch)


def write_curve_png(path: Path, history: Sequence[EpochRecord], title: str, metric_name: str) -> None:
    """Draw loss and metric over the epochs."""
    epochs = [record.epoch for record in history]
    figure = Figure(figsize=(9, 3.4), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    losses, metrics = figure.subplots(1, 2)
    losses.plot(epochs, [record.loss for record in history], color=TRAINING_COLOUR, label="training (augmented)")
    losses.plot(epochs, [record.validation_loss for record in history], color=VALIDATION_COLOUR, label="validation")
    losses.set(ylabel="loss", yscale="log")
    losses.legend(frameon=False)
    metrics.plot(epochs, [record.metric for record in history], color=METRIC_COLOUR)
    metrics.set(ylabel=f"validation {metric_name}")
    for axes in (losses, metrics):
        axes.set(xlabel="epoch")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left")
    figure.savefig(path)
