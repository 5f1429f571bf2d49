"""How long a radiologist waits: from the press on Read to the result on the screen, with the server warm.

    python scripts/benchmarks/read_page.py [--presses 10] [--pixels 2000]

Opens the module in the host's window, starts its own engine, reads a simulated study of two views with the demo bundle.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=10)
    parser.add_argument("--pixels", type=int, default=2000, help="longer side of the simulated radiographs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        os.environ["XDG_CONFIG_HOME"] = folder
        from fractureai.phantom import write_dataset

        write_dataset(Path(folder) / "wrists", studies=1, seed=5, pixels=arguments.pixels, workers=1)
        files = sorted((Path(folder) / "wrists" / "images").glob("*.dcm"))
        return _measure(files, arguments.presses)


def _measure(files: list[Path], presses: int) -> int:
    import slicerhost

    slicer = slicerhost.start()
    slicerhost.load_module(ROOT / "FractureAI" / "FractureAI.py")
    window = slicerhost.MainWindow()
    widget, panel = slicerhost.module_widget("FractureAI")
    window.set_module("FractureAI", panel)
    window.resize(1280, 800)
    window.show()

    def wait(until) -> float:
        start = time.perf_counter()
        while not until():
            slicer.app.processEvents()
            time.sleep(0.0005)
            if time.perf_counter() - start > PATIENCE_S:
                raise SystemExit("what was waited for did not happen")
        return time.perf_counter() - start

    page = widget.pages[1]
    widget.showPage(1)
    print(f"engine ready after        {wait(lambda: page.session.engine.state == 'ready'):6.2f} s")
    page.studies.open_paths([str(file) for file in files])
    print(f"study on the screen after {wait(lambda: page.study is not None and page.study.is_whole):6.2f} s")
    seconds, inside = [], []
    for _ in range(presses + 1):
        start = time.perf_counter()
        page.ui.readButton.click()
        wait(lambda: not page.run.is_running)
        if page.run.state != "done":
            raise SystemExit(str(page.run.error))
        for _name, volume in page.screen.shown_views():
            assert volume is not None
        slicer.app.processEvents()
        window.grab()
        seconds.append(time.perf_counter() - start)
        inside.append(page.run.reading["timings_ms"]["total"] / 1000)
    shape = page.study.volumes()[0].GetImageData().GetDimensions()[:2]
    print(f"first press (networks are loaded)  {seconds[0]:6.2f} s")
    warm = sorted(seconds[1:])
    print(
        f"press to result, {shape[0]}x{shape[1]}, two views: median {statistics.median(warm):.2f} s, "
        f"slowest {warm[-1]:.2f} s (of it {statistics.median(inside[1:]):.2f} s in the networks); limit 1.5 s"
    )
    widget.cleanup()
    return 0 if statistics.median(warm) <= 1.5 else 1


if __name__ == "__main__":
    sys.exit(main())
