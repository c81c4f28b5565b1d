"""What is made from the chart and kept beside it is up to date; `make golden` makes it anew."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from docs.generate_values import values, with_table
from tests.support.golden import Golden
from tests.support.helm import CHART, ROOT, helm, rendered

GRAFANA = ROOT / "deploy" / "grafana"
KUSTOMIZE = ROOT / "deploy" / "kustomize"
HELMS_OWN = ("helm.sh/chart", "app.kubernetes.io/managed-by")
"""Labels that say who installed it: with kustomize it was not Helm."""


def without_helm(text: str) -> str:
    """Manifests less the labels that are about Helm itself."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.strip().startswith(HELMS_OWN))


def leaves(values: Any, path: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for name, inner in values.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    else:
        yield path


def schema_of(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Each value that the schema knows."""
    if inner := schema.get("properties"):
        for name, each in inner.items():
            yield from schema_of(each, f"{path}.{name}".lstrip("."))
    else:
        yield path


def test_the_readmes_table_of_values_is_up_to_date(golden: Golden) -> None:
    readme = (CHART / "README.md").read_text()
    table = with_table(readme, (CHART / "values.yaml").read_text())
    replace(golden, folder=CHART).check("README.md", table)


def test_every_value_is_told_of_and_in_the_schema() -> None:
    text = (CHART / "values.yaml").read_text()
    told = {each.name for each in values(text)}
    for leaf in leaves(yaml.safe_load(text)):
        parts = leaf.split(".")
        assert {".".join(parts[:length]) for length in range(1, len(parts) + 1)} & told, leaf
    known = set(schema_of(json.loads((CHART / "values.schema.json").read_text())))
    assert {"resources" if each.startswith("resources.") else each for each in told} == known


def test_no_part_of_the_schema_takes_what_it_does_not_know() -> None:
    def closed(schema: dict[str, Any]) -> bool:
        inner = schema.get("properties", {})
        return not inner or (schema["additionalProperties"] is False and all(map(closed, inner.values())))

    schema = json.loads((CHART / "values.schema.json").read_text())
    theirs = schema["properties"].pop("global")  # what other charts call global comes along
    assert theirs["additionalProperties"] is True
    assert closed(schema)


def test_the_dashboard_for_everybody_is_the_charts(golden: Golden) -> None:
    """A copy, not a link: archives and some file systems keep none."""
    replace(golden, folder=GRAFANA).check("podtick.json", (CHART / "files" / "dashboard.json").read_text())


def test_the_kustomize_base_is_the_charts_defaults(golden: Golden) -> None:
    text = helm("template", "podtick", str(CHART), "--namespace", "podtick", "--no-hooks")
    replace(golden, folder=KUSTOMIZE).check("podtick.yaml", without_helm(text))


def test_the_kustomize_base_has_the_charts_objects_and_their_namespace() -> None:
    base = yaml.safe_load((KUSTOMIZE / "kustomization.yaml").read_text())
    documents = [each for name in base["resources"] for each in yaml.safe_load_all((KUSTOMIZE / name).read_text())]
    objects = [each for each in documents if each]
    (namespace,) = (each for each in objects if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}
    hooks = [each for each in rendered() if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    made = {(each["kind"], each["metadata"]["name"]) for each in rendered() if each not in hooks}
    assert {(each["kind"], each["metadata"]["name"]) for each in objects} == made | {("Namespace", "podtick")}
    assert {each["metadata"].get("namespace", "podtick") for each in objects} == {"podtick"}
