"""The sampler dies in the guest: another one ticks, and the history says where the gap is."""

from itertools import pairwise

from tests.guest.agent import GuestAgent, GuestContainers
from tests.guest.kernel import both, keyed

AFTER_START = 1


def test_a_killed_sampler_is_started_again_and_the_gap_is_marked(agent: GuestAgent, scene: GuestContainers) -> None:
    before = agent.next_tick()
    usage = both(before, "cpu_usage_seconds_total", "busy")
    scene.guest.run(["kill", "-9", str(agent.sampler())])
    agent.wait_until(lambda: agent.tick() > before.tick + 3, "ticks of the next sampler")
    after = agent.next_tick()
    ticks = [tick for tick in agent.ticks() if tick[1] >= before.tick]
    assert ticks[0][1] == before.tick
    assert [tick[0] for tick in ticks] == list(range(ticks[0][0], ticks[0][0] + len(ticks)))
    marked = [tick for tick in ticks[1:] if tick[2] & AFTER_START]
    assert len(marked) == 1
    assert all(later[1] > earlier[1] for earlier, later in pairwise(ticks))
    assert both(after, "cpu_usage_seconds_total", "busy") > usage
    low = keyed(scene.files("busy", "cpu.stat")["cpu.stat"])["usage_usec"]
    assert low <= round(both(agent.next_tick(), "cpu_usage_seconds_total", "busy") * 1e6)
    assert both(after, "oom_events_total", "small") == both(before, "oom_events_total", "small")
    assert {each.labels["pod"] for each in after.all("podtick_pod_network_receive_bytes_total")} == {"server", "client"}
