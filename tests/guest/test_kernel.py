"""The kernel tier's own tests, run inside the guest: what they hold for this machine's kernel holds there too.

They make their own cgroups, of the one kernel that both guests have, so that one of them does.
"""

import importlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.guest import Guest

TESTS = Path(__file__).parents[1]
HOME = "/opt/podtick/kernel-tests"
PACKAGES = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")
"""pytest and what it needs, all plain Python."""
FILES = ("test_discovery_host.py", "test_sampler_columns.py", "test_sampler_io.py", "test_sampler_network.py")
SETTINGS = "[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\npythonpath = .\nfilterwarnings = error\n"


@pytest.fixture(scope="session")
def tier(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """A guest that has the tests and pytest."""
    folder = tmp_path_factory.mktemp("kernel-tests")
    for name in PACKAGES:
        file = importlib.import_module(name).__file__
        assert file is not None
        _copy(Path(file).parent if Path(file).name == "__init__.py" else Path(file), folder)
    for name in ("__init__.py", "conftest.py", "support", "tiers", "kernel"):
        _copy(TESTS / name, folder / "tests")
    (folder / "pytest.ini").write_text(SETTINGS)
    guest.push(folder, HOME)
    return guest


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, folder)


@pytest.mark.parametrize("guest", ["cgroupfs"], indirect=True, scope="session")
def test_the_kernel_tier_passes_there(tier: Guest) -> None:
    """All files side by side: they mostly wait for ticks, which is no faster there."""
    command = f"cd {HOME} && python3 -m pytest -q --tb=short tests/kernel/"
    with ThreadPoolExecutor(len(FILES)) as pool:
        runs = list(pool.map(lambda file: tier.attempt(command + file, timeout=280), FILES))
    failed = [f"{file}:\n{done.stdout}{done.stderr}" for file, done in zip(FILES, runs, strict=True) if done.returncode]
    assert not failed, "\n".join(failed)
