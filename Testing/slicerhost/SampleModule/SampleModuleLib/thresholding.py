"""A part of the module in a package beside it."""


def count_above(values, threshold, invert):
    return int(((values < threshold) if invert else (values > threshold)).sum())
