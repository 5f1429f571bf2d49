"""Pseudonyms of patients: the same patient always gets the same one, and nobody without the key can go back."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from fractureai.dataset.files import write_atomically
from fractureai.dataset.layout import PSEUDONYM_KEY
from fractureai.errors import DatasetError

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U, so it can be read out on the phone
_LENGTH = 8
_KEY = re.compile(r"[0-9a-f]{64}")
_NOTE = """# FractureAI: the secret key of this dataset's patient pseudonyms.
# Keep it private: never share it with the dataset. Who has it can find out which pseudonym a patient identifier got.
# Keep it safe: without it, new radiographs of a known patient get another pseudonym.
"""


@dataclass(frozen=True)
class Pseudonymiser:
    """Gives pseudonyms by a keyed hash (HMAC-SHA256, the first 40 bits).

    Among 20,000 patients, two share a pseudonym with a probability of 1 in 5,000.

    Attributes:
        key: 32 secret bytes.
    """

    key: bytes = field(repr=False)

    def pseudonym(self, patient_id: str) -> str:
        """Return the pseudonym of a patient identifier, for example ``P-7F3K2Q9A``."""
        digest = hmac.new(self.key, patient_id.strip().encode("utf-8"), hashlib.sha256).digest()
        number = int.from_bytes(digest[:8], "big") >> (64 - 5 * _LENGTH)
        return "P-" + "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))


def load_pseudonymiser(folder: Path) -> tuple[Pseudonymiser, bool]:
    """Read the key in a dataset's folder, or make one that only its owner can read (on POSIX systems).

    The caller holds the dataset's lock, so that two processes do not make two keys.

    Returns:
        The pseudonymiser, and whether its key is new.

    Raises:
        DatasetError: the key file can not be read or was changed.
    """
    path = folder / PSEUDONYM_KEY
    try:
        lines = [line for line in path.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        write_atomically(path, f"{_NOTE}{key.hex()}\n".encode("ascii"), mode=0o600)
        return Pseudonymiser(key), True
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(path, "it can not be read", "ask its owner for access, or restore it") from error
    if len(lines) != 1 or not _KEY.fullmatch(lines[0]):
        raise DatasetError(path, "it is not a pseudonym key", "restore it from a copy")
    return Pseudonymiser(bytes.fromhex(lines[0])), False
