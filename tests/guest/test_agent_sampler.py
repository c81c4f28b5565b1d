"""The sampler dies in the guest: another one ticks, and the history says where the gap is."""

from itertools import pairwise

from tests.guest.agent import GuestAgent, GuestContainers
from tests.guest.kernel import both, keyed

AFTER_START = 1


def test_a_killed_sampler_is_started_again_and_the_gap_is_marked(agent: GuestAgent, scene: GuestContainers) -> None:
    before, number = agent.next_tick(), agent.ticks()[-1][0]
    usage = both(before, "cpu_usage_seconds_total", "busy")
    scene.guest.run(["kill", "-9", str(agent.sampler())])
    agent.wait_until(lambda: agent.tick() > before.tick + 2, "a tick of the next sampler")
    agent.wait_until(lambda: agent.ticks()[-1][0] > number + 2, "its ticks in the history")
    ticks = [tick for tick in agent.ticks() if tick[0] >= number]
    assert [tick[0] for tick in ticks] == list(range(number, number + len(ticks)))
    marked = [tick for tick in ticks[1:] if tick[2] & AFTER_START]
    assert len(marked) == 1
    assert all(later[1] > earlier[1] for earlier, later in pairwise(ticks))
    after = agent.next_tick()
    assert both(after, "cpu_usage_seconds_total", "busy") > usage
    low = keyed(scene.files("busy", "cpu.stat")["cpu.stat"])["usage_usec"]
    assert low <= round(both(agent.next_tick(), "cpu_usage_seconds_total", "busy") * 1e6)
    assert both(after, "oom_events_total", "small") == 1
    assert {each.labels["pod"] for each in after.all("podtick_pod_network_receive_bytes_total")} == {"server", "client"}
