"""Networks in PyTorch: localizers and classifiers. Imports torch and MONAI: only for training and export."""
