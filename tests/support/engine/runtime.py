"""The runtime of a host that may not lower `oom_score_adj`: runc, after the bundle's value was raised.

runc gives up a container whose score is below its own where it lacks the right to lower it ("can't get final
child's PID from pipe: EOF"). The kubelet asks for -998 for a pod's sandbox.
"""

import shutil
import subprocess
from pathlib import Path

WRAPPER = """#!/bin/sh
# runc, with process.oomScoreAdj of the bundle raised to this host's own value.
bundle=
previous=
for word; do
  case $previous in --bundle | -b) bundle=$word ;; esac
  previous=$word
done
own=$(cat /proc/self/oom_score_adj)
if [ -n "$bundle" ] && [ -f "$bundle/config.json" ]; then
  asked=$(sed -n 's/.*"oomScoreAdj":\\(-\\{0,1\\}[0-9]*\\).*/\\1/p' "$bundle/config.json")
  if [ -n "$asked" ] && [ "$asked" -lt "$own" ]; then
    sed -i "s/\\"oomScoreAdj\\":$asked/\\"oomScoreAdj\\":$own/" "$bundle/config.json"
  fi
fi
exec RUNC "$@"
"""


def may_lower_oom_score() -> bool:
    """Whether a process here may make itself a less likely victim; tried by a child on itself."""
    command = ["sh", "-c", "echo $(($(cat /proc/self/oom_score_adj) - 1)) > /proc/self/oom_score_adj"]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


def runtime_settings(root: Path) -> dict[str, object]:
    """The `daemon.json` entries that this host's runtime needs; none where runc itself will do."""
    if may_lower_oom_score():
        return {}
    wrapper = root / "runc-raised"
    wrapper.write_text(WRAPPER.replace("RUNC", shutil.which("runc") or "runc"))
    wrapper.chmod(0o755)
    return {"runtimes": {"raised": {"path": str(wrapper)}}, "default-runtime": "raised"}
