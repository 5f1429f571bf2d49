"""``python -m fractureai.cli`` is the command `fractureai`."""

import sys

from fractureai.cli import main

if __name__ == "__main__":
    sys.exit(main())
