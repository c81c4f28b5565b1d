"""The newest second as JSON: identity, values, rates, limits, devices, and who is no more."""

import pytest

from podtick.history.layout import SWEEPS
from podtick.history.ticks import NODE_SWEEP
from podtick.model.metrics.row import UNKNOWN, UNLIMITED, Level
from podtick.model.metrics.table import TARGET_COLUMN
from podtick.serve.api.answers import NoTickError
from podtick.serve.api.directory import NotHereError
from tests.support.world import FakeTarget
from tests.unit.serve.recorded import NODE, SECOND, recording

CPU = "cpu_usage_seconds_total"
DISKS = "   8       0 sda {} 0 {} 0 0 0 0 0 0 {} 0\n"
NET = " eth0: {} 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n veth1: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n"


def test_values_and_rates_of_a_pod_and_its_container() -> None:
    with recording() as history:
        pod, app = history.pod(), None
        app = history.container(pod)
        history.tick({pod: {CPU: 5 * SECOND, "network_receive_bytes_total": 1000}, app: {CPU: 5 * SECOND}})
        second = history.tick(
            {
                pod: {CPU: int(5.5 * SECOND), "network_receive_bytes_total": 4000},
                app: {CPU: int(5.5 * SECOND), "memory_usage_bytes": 900, "memory_inactive_file_bytes": 200, "state": 1},
            }
        )
        found = history.ask_pod()
        assert {name: found[name] for name in ("node", "timestamp", "namespace", "pod", "uid", "live", "others")} == {
            "node": "worker-7",
            "timestamp": second,
            "namespace": "shop",
            "pod": "cart",
            "uid": "u1",
            "live": True,
            "others": [],
        }
        assert found["values"][CPU] == 5.5
        assert found["values"]["cpu_usage_cores"] == 0.5
        assert found["values"]["network_receive_bytes_total"] == 4000
        assert found["values"]["network_receive_bytes_per_second"] == 3000
        (container,) = found["containers"]
        assert container["container"] == "app"
        assert container["values"]["memory_working_set_bytes"] == 700
        assert container["values"]["state"] == "running"
        alone = history.ask_container()
        assert alone["values"] == container["values"]
        assert (alone["pod"], alone["container"], alone["timestamp"]) == ("cart", "app", second)
        assert history.ask_pods()["pods"] == [
            {
                name: found[name]
                for name in ("namespace", "pod", "uid", "live", "values", "limits", "shares", "containers")
            }
        ]


def test_unknown_is_null_and_never_zero() -> None:
    with recording() as history:
        pod = history.pod()
        history.tick()
        history.tick({pod: {"oom_events_total": 0}})
        values = history.ask_pod()["values"]
        assert values.pop("oom_events_total") == 0
        assert set(values.values()) == {None}
        assert {"cpu_usage_cores", "oom_events_per_second", "start_time_seconds"} <= values.keys()


def test_the_first_reading_has_no_rate_and_the_second_has() -> None:
    with recording() as history:
        pod = history.pod()
        history.tick({pod: {CPU: 7 * SECOND}})
        assert history.ask_pod(metric=CPU)["values"] == {CPU: 7.0, "cpu_usage_cores": None}
        history.tick({pod: {CPU: 7 * SECOND}})
        assert history.ask_pod(metric=CPU)["values"] == {CPU: 7.0, "cpu_usage_cores": 0.0}
        history.tick({pod: {CPU: 6 * SECOND}})
        assert history.ask_pod(metric=CPU)["values"] == {CPU: 6.0, "cpu_usage_cores": None}, "it went back"


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (64 << 20, {"value": 64 << 20, "limited": True}),
        (UNLIMITED, {"value": None, "limited": False}),
        (UNKNOWN, {"value": None, "limited": None}),
    ],
)
def test_no_limit_is_not_an_unknown_limit(stored: int, told: dict[str, object]) -> None:
    with recording() as history:
        app = history.container(history.pod())
        history.tick({app: {"spec_memory_limit_bytes": stored}})
        found = history.ask_container()
        assert found["limits"]["spec_memory_limit_bytes"] == told
        assert set(found["limits"]) == {"spec_cpu_limit_cores", "spec_memory_limit_bytes", "threads_max"}
        assert not set(found["limits"]) & set(found["values"])


def test_a_rate_goes_by_the_monotonic_time_of_its_own_sweep() -> None:
    """A tick whose sweep of a file began late has counted for longer; a wall clock that was set has no say."""
    with recording() as history:
        pod = history.pod()
        history.tick({pod: {CPU: 0, "memory_page_faults_total": 0}})
        late = [0] * SWEEPS
        late[TARGET_COLUMN[CPU]] = SECOND // 4
        history.sweeps = tuple(late)
        history.now += 5000
        history.tick({pod: {CPU: SECOND, "memory_page_faults_total": 100}})
        values = history.ask_pod()["values"]
        assert values["cpu_usage_cores"] == 0.8
        assert values["memory_page_faults_per_second"] == 100


def test_the_node_with_its_disks_and_interfaces() -> None:
    with recording() as history:
        sweeps = [0] * SWEEPS
        sweeps[NODE_SWEEP] = SECOND
        texts = [(DISKS.format(1, 8, 100), NET.format(500)), (DISKS.format(3, 10, 600), NET.format(800))]
        for place, (diskstats, net_dev) in enumerate(texts):
            history.sweeps = tuple(sweeps) if place else history.sweeps  # two seconds between the two
            history.writer.details(0, diskstats.encode())
            history.writer.details(1, net_dev.encode())
            history.tick({NODE: {"load1": 150, "cpu_seconds_total{mode=user}": place * SECOND}})
        found = history.ask_node()
        assert (found["node"], found["timestamp"]) == ("worker-7", history.now)
        assert found["values"]["load1"] == 1.5
        assert found["values"]["cpu_user_cores"] == 0.5
        assert found["values"]["cpu_idle_seconds_total"] is None
        assert "limits" not in found
        sda = found["disks"]["sda"]
        assert (sda["disk_read_bytes_total"], sda["disk_read_bytes_per_second"]) == (5120, 512)
        assert (sda["disk_io_time_seconds_total"], sda["disk_io_time_ratio"]) == (0.6, 0.25)
        assert set(found["interfaces"]) == {"eth0"}
        assert found["interfaces"]["eth0"]["network_receive_bytes_per_second"] == 150
        assert set(history.ask_node(metric="load1,disk_reads*")) == {"node", "timestamp", "values", "disks"}


def test_the_node_has_its_classes_of_service_and_all_pods() -> None:
    with recording() as history:
        burstable, all_pods = history.around_pods('{"qos_class": "Burstable"}'), history.around_pods("{}")
        former = history.around_pods('{"qos_class": "BestEffort"}')
        history.tick({burstable: {CPU: SECOND}, all_pods: {CPU: 2 * SECOND, "spec_memory_limit_bytes": 400}})
        history.detach(former)
        history.tick({burstable: {CPU: int(1.5 * SECOND)}})
        found = history.ask_node(metric="cpu_usage*,spec_memory*")
        assert found["values"] == {}
        assert found["qos"] == [
            {
                "qos_class": "Burstable",
                "values": {CPU: 1.5, "cpu_usage_cores": 0.5},
                "limits": {"spec_memory_limit_bytes": {"value": None, "limited": None}},
            }
        ]
        assert found["kubepods"]["values"] == {CPU: 2.0, "cpu_usage_cores": 0.0}
        assert found["kubepods"]["limits"]["spec_memory_limit_bytes"] == {"value": 400, "limited": True}
        peak = history.ask_node(window="60s", metric="cpu_usage*")["qos"][0]["statistics"]["cpu_usage_cores"]["max"]
        assert peak == 0.5
        assert {"qos", "kubepods"}.isdisjoint(history.ask_node(metric="load1"))
        assert {"qos", "kubepods"}.isdisjoint(history.ask_node(since="oldest"))
        assert history.ask_pods()["pods"] == []


def test_a_node_without_a_kubelet_has_no_classes() -> None:
    with recording() as history:
        history.tick({NODE: {"load1": 100}})
        assert {"qos", "kubepods"}.isdisjoint(history.ask_node())


def test_a_new_device_has_no_rate_yet() -> None:
    with recording() as history:
        history.tick()
        history.writer.details(0, DISKS.format(3, 8, 100).encode())
        history.tick()
        sda = history.ask_node()["disks"]["sda"]
        assert sda["disk_reads_completed_total"] == 3
        assert sda["disk_reads_completed_per_second"] is None


def test_all_pods_by_name_and_namespace() -> None:
    with recording() as history:
        for namespace, name in (("shop", "web"), ("_docker", "web"), ("shop", "cart")):
            history.container(history.pod(name, f"{name}-1", namespace), "app", name, f"{name}-1", namespace)
        history.tick()
        found = history.ask_pods()["pods"]
        assert [(pod["namespace"], pod["pod"]) for pod in found] == [
            ("_docker", "web"),
            ("shop", "cart"),
            ("shop", "web"),
        ]
        assert [pod["pod"] for pod in history.ask_pods(namespace="shop")["pods"]] == ["cart", "web"]
        assert history.ask_pods(namespace="nobody")["pods"] == []


@pytest.mark.parametrize(("level", "keys"), [("pod", {"values", "limits", "shares"}), ("container", {"containers"})])
def test_levels_are_parts_of_a_pod(level: str, keys: set[str]) -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        who = {"namespace", "pod", "uid", "live"}
        (listed,) = history.ask_pods(level=level)["pods"]
        assert set(listed) == who | keys
        assert set(history.ask_pod(level=level)) == who | keys | {"node", "timestamp", "others"}


def test_metrics_are_chosen_as_in_the_exposition() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        found = history.ask_pod(metric="cpu_usage*,spec_cpu*,state")
        assert set(found["values"]) == {CPU, "cpu_usage_cores"}
        assert set(found["limits"]) == {"spec_cpu_limit_cores"}
        assert set(found["containers"][0]["values"]) == {CPU, "cpu_usage_cores", "state"}


def test_the_newest_uid_answers_and_the_others_are_listed() -> None:
    with recording() as history:
        old = history.pod(uid="u1")
        history.tick({old: {"threads": 1}})
        last = history.tick()
        history.detach(old)
        history.tick()
        new = history.pod(uid="u2")
        now = history.tick({new: {"threads": 2}})
        found = history.ask_pod()
        assert (found["uid"], found["values"]["threads"], found["timestamp"]) == ("u2", 2, now)
        assert found["others"] == [{"uid": "u1", "live": False, "last_timestamp": last}]
        gone = history.ask_pod(uid="u1")
        assert (gone["uid"], gone["live"], gone["values"]["threads"], gone["timestamp"]) == ("u1", False, 1, last)
        assert gone["others"] == [{"uid": "u2", "live": True, "last_timestamp": now}]
        assert [pod["uid"] for pod in history.ask_pods()["pods"]] == ["u2"], "who has left is not in the newest second"


def test_a_uid_is_known_until_its_last_second_has_aged_out() -> None:
    with recording() as history:
        old = history.pod(uid="u1")
        history.tick({old: {"threads": 1}})
        history.detach(old)
        history.pod(uid="u2")
        for _ in range(history.region.geometry.span - 1):
            history.tick()
        assert history.ask_pod(uid="u1")["values"]["threads"] == 1
        history.tick()
        with pytest.raises(NotHereError, match=r"has no uid 'u1' on node worker-7, now or as far back .* it has u2"):
            history.ask_pod(uid="u1")


def test_a_pod_that_was_not_read_yet_is_unknown() -> None:
    with recording() as history:
        history.tick()
        history.pod()
        found = history.ask_pod()
        assert set(found["values"].values()) == {None}
        assert found["limits"]["threads_max"] == {"value": None, "limited": None}
        assert history.ask_pods()["pods"] == []


def test_a_container_that_came_again_has_no_rate_over_both_lives() -> None:
    with recording() as history:
        pod = history.pod()
        first = history.container(pod)
        history.tick({first: {CPU: SECOND}})
        history.detach(first)
        second = history.container(pod)
        history.tick({second: {CPU: 3 * SECOND}})
        assert history.ask_container(metric=CPU)["values"] == {CPU: 3.0, "cpu_usage_cores": None}
        assert [each["container"] for each in history.ask_pod()["containers"]] == ["app"]


def test_a_pod_under_its_new_name() -> None:
    with recording() as history:
        pod = history.pod("old-name")
        history.tick({pod: {"threads": 3}})
        history.writer.rename(pod, b'{"namespace": "shop", "pod": "new-name", "uid": "u1"}')
        assert history.ask_pod("new-name")["values"]["threads"] == 3
        with pytest.raises(NotHereError):
            history.ask_pod("old-name")


def test_who_is_not_here_may_be_elsewhere() -> None:
    with recording() as history:
        history.container(history.pod())
        history.tick()
        with pytest.raises(NotHereError, match=r"no pod 'web' in namespace 'shop' on node worker-7.* on another one"):
            history.ask_pod("web")
        with pytest.raises(NotHereError, match="no container 'web': it has 'app'"):
            history.ask_container("web")


def test_before_the_first_tick_there_is_no_answer() -> None:
    with recording() as history:
        history.pod()
        for ask in (history.ask_node, history.ask_pods, history.ask_pod, history.ask_container):
            with pytest.raises(NoTickError):
                ask()


def test_an_identity_that_the_table_cut_is_passed_over() -> None:
    with recording() as history:
        history.pod("x" * 2000)
        history.pod("cart")
        history.tick()
        assert [pod["pod"] for pod in history.ask_pods()["pods"]] == ["cart"]


def test_what_is_known_of_a_pod_besides_numbers() -> None:
    """Only of who is there now; what is not known is `null`."""
    with recording() as history:
        pod = history.pod()
        history.container(pod)
        history.tick()
        history.tick()
        assert "owner_kind" not in history.ask_pod()
        facts = {"owner_kind": "Job", "owner_name": "once", "host_network": "true", "node": "another"}
        history.roster.all_targets = [
            FakeTarget(0, Level.POD, "shop", "cart", "u1", facts=facts),
            FakeTarget(1, Level.CONTAINER, "shop", "cart", "u1", "app", facts={"image": "cart:2"}),
        ]
        history.roster.version += 1
        history.answers.facts.gather()
        found = history.ask_pod()
        assert found["node"] == "worker-7"
        told = {name: found[name] for name in ("owner_kind", "owner_name", "qos", "phase", "host_network")}
        assert told == {"owner_kind": "Job", "owner_name": "once", "qos": None, "phase": None, "host_network": True}
        assert found["containers"][0]["image"] == history.ask_container()["image"] == "cart:2"
        assert history.ask_container()["container_id"] is None


def test_usage_as_a_share_of_limits_and_requests() -> None:
    """`null` where there is none, or nobody knows; only of numbers that were asked for."""
    with recording() as history:
        pod = history.pod()
        whole = {"spec_cpu_limit_cores": 2 * 10**9, "spec_memory_limit_bytes": UNLIMITED, "memory_request_bytes": 4000}
        history.tick({pod: {CPU: 5 * SECOND}})
        used = {CPU: int(5.5 * SECOND), "memory_usage_bytes": 1200, "memory_inactive_file_bytes": 200}
        history.tick({pod: used | whole})
        shares = {"cpu_of_limit": 0.25, "cpu_of_request": None, "memory_of_limit": None, "memory_of_request": 0.25}
        assert history.ask_pod()["shares"] == shares
        assert history.ask_pod(metric="cpu_usage*,cpu_request*")["shares"] == {"cpu_of_request": None}
        assert "shares" not in history.ask_pod(metric="cpu_usage*")
        history.tick({pod: {"cpu_request_cores": 0}})
        assert history.ask_pod()["shares"]["cpu_of_request"] is None
