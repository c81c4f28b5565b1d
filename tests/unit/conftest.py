"""For the property tests, all of which are here: the guest's Python, which runs other tests, has no hypothesis."""

from hypothesis import HealthCheck, settings

# A machine that is busy with other things is slow: how long an example takes says nothing of what is tested.
settings.register_profile("podtick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("podtick")
