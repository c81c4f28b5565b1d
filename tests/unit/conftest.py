"""What holds for all unit tests; for the property tests, all of which are here, hypothesis' settings.

Not in the folder above: the guest's Python, which runs other tests, has no hypothesis.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other things is slow: how long an example takes says nothing of what is tested.
settings.register_profile("podtick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("podtick")


@pytest.fixture(autouse=True)
def nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told to podtick by the environment, not even where the tests keep what they have built."""
    for name in [name for name in os.environ if name.startswith("PODTICK_")]:
        monkeypatch.delenv(name)
