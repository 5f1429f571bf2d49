import subprocess
import sys


def test_importing_the_room_is_light():
    code = "import sys, fractureai.radiograph; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "monai", "SimpleITK", "pydicom", "scipy", "PIL", "matplotlib"}
