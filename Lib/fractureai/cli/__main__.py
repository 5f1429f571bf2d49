"""``python -m fractureai.cli`` is the command `fractureai`."""

import sys

from fractureai.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
