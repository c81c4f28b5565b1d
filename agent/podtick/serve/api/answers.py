"""The bodies of `/api/v1`, made from the history. Nothing here waits, or knows of HTTP; all of it may take a while."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from podtick.model.metrics.row import Level
from podtick.serve.api.body import listed, whole
from podtick.serve.api.cursor import start_of
from podtick.serve.api.devices import devices_at, pieces_at
from podtick.serve.api.directory import Directory, PodSubject, Subject
from podtick.serve.api.facts import Facts
from podtick.serve.api.latest import Latest
from podtick.serve.api.plan import Plan, make_plan
from podtick.serve.api.query import Query
from podtick.serve.api.seconds import PodSeconds, all_seconds, one_seconds
from podtick.serve.api.series import Entry
from podtick.serve.api.since import Page, make_page
from podtick.serve.api.window import Window
from podtick.serve.exposition.samples import DeviceParsers
from podtick.serve.interfaces import Hour


class NoTickError(Exception):
    """Nothing has been sampled yet."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers from what `hour` holds; `node_name` is the node's name, `facts` what else is known of who is there now.

    Each method returns the body in pieces; the next piece is made when it is asked for. They raise
    `directory.NotHereError`, `cursor.CursorError` and `NoTickError`.
    """

    hour: Hour
    node_name: str
    parsers: DeviceParsers
    facts: Facts

    def node(self, query: Query) -> Iterator[bytes]:
        """`/api/v1/node`."""
        there = self._directory()
        plan = make_plan(Level.NODE, query.matcher, measured=query.window is not None)
        if query.since is not None:
            return self._one_since(self._head(), there.node, plan, query.since, there.latest)
        describe = self._describe(query, there.node.last(there.latest))
        body = self._head() | describe.single(there.node.records, plan)
        if isinstance(describe, Latest):
            body |= devices_at(self.hour, self.parsers, describe.ticks, query.matcher)
        return whole(body | self._around_pods(there, query, describe))

    def pods(self, query: Query) -> Iterator[bytes]:
        """`/api/v1/pods`: those of the newest second, or of the window, or second by second."""
        there = self._directory()
        pods = there.pods(query.namespaces)
        plans = _Plans.of(query)
        if query.since is not None:
            start = start_of(query.since, self.hour, there.latest)
            pods = [one for one in pods if one.pod.lived(start.number + 1, there.latest)]
            page = make_page(self.hour, start, there.latest, sum(map(plans.fields, pods)))
            read = ((_identity(one), self._seconds(page, one, plans)) for one in pods)
            return listed(self._head(), "seconds", all_seconds(self.hour, page, read), page.tail)
        describe = self._describe(query, there.latest)
        entries = (self._pod_entry(one, plans, describe) for one in pods)
        return listed(self._head() | describe.head, "pods", (entry for entry in entries if entry), {})

    def pod(self, namespace: str, name: str, query: Query) -> Iterator[bytes]:
        """`/api/v1/namespaces/{namespace}/pods/{pod}`."""
        there = self._directory()
        one, others = there.pod(namespace, name, query.uid)
        plans = _Plans.of(query)
        head = self._head() | self._who(one) | self._others(others, there.latest)
        if query.since is not None:
            page = make_page(self.hour, start_of(query.since, self.hour, there.latest), there.latest, plans.fields(one))
            seconds = one_seconds(self.hour, page, one.pod, self._seconds(page, one, plans))
            return listed(head, "seconds", seconds, page.tail)
        describe = self._describe(query, one.pod.last(there.latest))
        body = head | (describe.single(one.pod.records, plans.pod) if plans.pod else describe.head)
        if plans.container:
            body["containers"] = [
                entry | self.facts.of(each.identity) | self._pieces(each, plans.container, describe)
                for each, entry in self._described(one, plans.container, describe)
            ]
        return whole(body | (self._pieces(one.pod, plans.pod, describe) if plans.pod else {}))

    def container(self, namespace: str, name: str, container: str, query: Query) -> Iterator[bytes]:
        """`/containers/{container}` below a pod."""
        there = self._directory()
        one, others = there.pod(namespace, name, query.uid)
        subject = there.container(one, container)
        plan = query.plan(Level.CONTAINER)
        assert plan is not None, "the only level of its route"
        own = {"container": container, "live": subject.live, **self.facts.of(subject.identity)}
        head = self._head() | self._who(one) | own | self._others(others, there.latest)
        if query.since is not None:
            return self._one_since(head, subject, plan, query.since, there.latest)
        describe = self._describe(query, subject.last(there.latest))
        return whole(head | describe.single(subject.records, plan) | self._pieces(subject, plan, describe))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _directory(self) -> Directory:
        there = Directory(self.hour, self.node_name)
        if not there.latest:
            raise NoTickError
        return there

    def _head(self) -> Entry:
        return {"node": self.node_name}

    def _around_pods(self, there: Directory, query: Query, describe: Latest | Window) -> Entry:
        """The classes of service that have a cgroup, in `qos`, and all pods, in `kubepods`."""
        found: dict[str, Entry] = {}
        for qos_class, record in there.around_pods.items():
            plan = query.plan(Level.QOS if qos_class else Level.KUBEPODS)
            if plan and (plan.values or plan.limits) and (entry := describe.of((record,), plan)):
                found[qos_class] = entry
        all_pods = found.pop("", None)
        qos = [{"qos_class": qos_class, **entry} for qos_class, entry in found.items()]
        return ({"qos": qos} if qos else {}) | ({"kubepods": all_pods} if all_pods else {})

    def _who(self, one: PodSubject) -> Entry:
        return _identity(one) | {"live": one.pod.live} | self.facts.of(one.pod.identity)

    def _others(self, others: Sequence[Subject], latest: int) -> Entry:
        ends = [(other, self.hour.tick(other.last(latest))) for other in others]
        return {
            "others": [
                {"uid": other.identity.uid, "live": other.live, "last_timestamp": end.timestamp if end else None}
                for other, end in ends
            ]
        }

    def _describe(self, query: Query, last: int) -> Latest | Window:
        """As of tick `last`: a target that has left is described as it was then."""
        return Window(self.hour, last, query.window) if query.window else Latest(self.hour, last)

    def _pod_entry(self, one: PodSubject, plans: "_Plans", describe: Latest | Window) -> Entry | None:
        if not one.pod.lived(describe.ticks.first + 1, describe.ticks.last):
            return None
        entry = self._who(one)
        if plans.pod:
            entry |= describe.of(one.pod.records, plans.pod) or {}
        if plans.container:
            entry["containers"] = [entry for _, entry in self._described(one, plans.container, describe)]
        return entry

    def _described(self, one: PodSubject, plan: Plan, describe: Latest | Window) -> Iterator[tuple[Subject, Entry]]:
        """The pod's containers that were there."""
        for each in one.containers:
            if entry := describe.of(each.records, plan):
                yield each, {"container": each.identity.container, "live": each.live, **entry}

    def _pieces(self, subject: Subject, plan: Plan, describe: Latest | Window) -> Entry:
        """Disks or interfaces one by one, of the newest second."""
        if isinstance(describe, Window):
            return {}
        return pieces_at(self.hour, self.parsers, subject.records, plan, describe.ticks)

    def _one_since(self, head: Entry, subject: Subject, plan: Plan, since: str, latest: int) -> Iterator[bytes]:
        start = start_of(since, self.hour, latest)
        page = make_page(self.hour, start, latest, len(plan.values) + len(plan.limits))
        seconds = one_seconds(self.hour, page, subject, PodSeconds.of(self.hour, page, (subject, plan)))
        return listed(head, "seconds", seconds, page.tail)

    def _seconds(self, page: Page, one: PodSubject, plans: "_Plans") -> PodSeconds:
        return PodSeconds.of(self.hour, page, (one.pod, plans.pod), (one.containers, plans.container))


def _identity(one: PodSubject) -> Entry:
    identity = one.pod.identity
    return {"namespace": identity.namespace, "pod": identity.pod, "uid": identity.uid}


@dataclass(frozen=True, slots=True)
class _Plans:
    """What is wanted of a pod and of its containers; `None`: nothing."""

    pod: Plan | None
    container: Plan | None

    @classmethod
    def of(cls, query: Query) -> "_Plans":
        return cls(query.plan(Level.POD), query.plan(Level.CONTAINER))

    def fields(self, one: PodSubject) -> int:
        """How many fields a second of this pod has."""
        pod, container = (len(plan.values) + len(plan.limits) if plan else 0 for plan in (self.pod, self.container))
        return pod + container * len(one.containers)
