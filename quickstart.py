"""Sets up a bare machine and runs the project: Python 3.11 to 3.13 is all it needs.

    python3 quickstart.py            train on the built-in photographs, show the result
    python3 quickstart.py test       run the tests; further arguments go to pytest

Both make the virtual environment `.venv` beside this file if it is not there.
"""

import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"


def main() -> int:
    if not (3, 11) <= sys.version_info < (3, 14):
        sys.exit(f"quickstart.py: error: Python 3.11 to 3.13 is needed, this is {sys.version}")
    testing = sys.argv[1:2] == ["test"]
    if sys.argv[1:] and not testing:
        sys.exit(__doc__)
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        print(f"making the virtual environment {ENVIRONMENT}", flush=True)
        try:
            venv.create(ENVIRONMENT, with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            sys.exit("quickstart.py: error: this Python cannot make virtual environments; on "
                     "Debian and Ubuntu: apt install python3-venv")
    requirements = "requirements-dev.txt" if testing else "requirements.txt"
    installed = subprocess.call(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "-r", ROOT / requirements])
    if installed:
        return installed
    command = ["-m", "pytest", "--numprocesses=2", "--dist=loadfile", *sys.argv[2:]] if testing \
        else ["train.py", "--dataset=sample"]
    return subprocess.call([python, *command], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
