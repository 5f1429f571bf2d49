"""Time the import of the light layer: python scripts/benchmarks/bench_import.py. Nothing heavy may come with it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, time
start = time.perf_counter()
import fractureai.dataset, fractureai.radiograph, fractureai.client
print(time.perf_counter() - start)
print([name for name in ("torch", "monai", "slicer", "onnxruntime", "matplotlib", "SimpleITK") if name in sys.modules])
"""
RUNS = 7


def main() -> None:
    """Import in fresh processes and print the best and the median time."""
    runs = [
        subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True) for _ in range(RUNS)
    ]
    times = sorted(float(run.stdout.splitlines()[0]) for run in runs)
    heavy = runs[0].stdout.splitlines()[1]
    print(
        "import fractureai.dataset, fractureai.radiograph, fractureai.client: "
        f"best {times[0]:.3f} s, median {times[RUNS // 2]:.3f} s"
    )
    print(f"heavy modules loaded with them: {heavy}")


if __name__ == "__main__":
    main()
