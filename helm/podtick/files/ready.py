"""What `helm test` runs: every agent must be ready and know its own pod, unless it is told not to show it."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PATIENCE = 60.0  # s for all agents
TIMEOUT = 10.0  # s for one question


def main():
    """Ask them all until they answer; says of each what it answered."""
    end = time.monotonic() + PATIENCE
    while wrong := problems():
        if time.monotonic() > end:
            return "\n".join(wrong)
        time.sleep(1)
    return None


def problems():
    """A line for each agent that is not as it should be."""
    pods = [pod for pod in agents() if not pod["metadata"].get("deletionTimestamp")]
    return [line for pod in pods if (line := problem(pod))] if pods else ["there is no agent"]


def problem(pod):
    """What is wrong with one, if anything."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    where = f"{name} on {pod['spec'].get('nodeName')}"
    address = pod["status"].get("podIP")
    if not address:
        return f"{where} has no address: {pod['status'].get('phase')}"
    url = f"http://{bracketed(address)}:{os.environ['PORT']}"
    shown = [each.strip() for each in os.environ["SHOWN"].split(",")]
    known = [f"/api/v1/namespaces/{namespace}/pods/{name}"] if {"all", namespace}.intersection(shown) else []
    for path in ("/readyz", *known):
        try:
            urllib.request.urlopen(url + path, timeout=TIMEOUT).close()
        except urllib.error.HTTPError as error:
            return f"{where}: {path}: HTTP {error.code}: {error.read(2000).decode(errors='replace').strip()}"
        except OSError as error:
            return f"{where}: {path}: {error}"
    print(f"{where} is ready{' and knows its own pod' if known else ''}", flush=True)
    return None


def agents():
    """The agents' pods, as the API server has them."""
    host, port = bracketed(os.environ["KUBERNETES_SERVICE_HOST"]), os.environ["KUBERNETES_SERVICE_PORT"]
    path = f"/api/v1/namespaces/{os.environ['NAMESPACE']}/pods?labelSelector={os.environ['SELECTOR']}"
    token = (ACCOUNT / "token").read_text().strip()
    request = urllib.request.Request(f"https://{host}:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # older clusters' authorities lack what it asks for
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
        return json.load(answer)["items"]


def bracketed(host):
    """An address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
