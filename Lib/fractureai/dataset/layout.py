"""The names in a dataset's folder."""

SETTINGS = "dataset.toml"
TABLE = "radiographs.csv"
SPLITS = "splits.csv"
ANNOTATIONS = "annotations"
IMAGES = "images"
PSEUDONYM_KEY = "pseudonym.key"
LOCK = ".lock"
