"""runc after a look at the bundle: on a host that may not lower `oom_score_adj`, and for what it is too old for.

runc gives up a container whose score is below its own where it lacks the right to lower it ("can't get final
child's PID from pipe: EOF"). The kubelet asks for -998 for a pod's sandbox. Debian's runc (1.1) knows no time
namespaces, which engines ask for since Docker 29; and Podman asks for more open files than every root may allow.
"""

import shutil
import subprocess
from pathlib import Path

WRAPPER = """#!/bin/sh
# runc, with process.oomScoreAdj of the bundle raised to this host's own value, without rlimits and time namespaces.
bundle=
process=
previous=
for word; do
  case $previous in
    --bundle | -b) bundle=$word ;;
    --process | -p) process=$word ;;
  esac
  previous=$word
done
own=$(cat /proc/self/oom_score_adj)
if [ -n "$bundle" ] && [ -f "$bundle/config.json" ]; then
  asked=$(sed -n 's/.*"oomScoreAdj":\\(-\\{0,1\\}[0-9]*\\).*/\\1/p' "$bundle/config.json")
  if [ -n "$asked" ] && [ "$asked" -lt "$own" ]; then
    sed -i "s/\\"oomScoreAdj\\":$asked/\\"oomScoreAdj\\":$own/" "$bundle/config.json"
  fi
  sed -i 's/,{"type":"time"}//; s/{"type":"time"},//; s/"rlimits":\\[[^]]*\\],//' "$bundle/config.json"
fi
if [ -n "$process" ] && [ -f "$process" ]; then
  sed -i 's/"rlimits":\\[[^]]*\\],//' "$process"
fi
exec RUNC "$@"
"""


def may_lower_oom_score() -> bool:
    """Whether a process here may make itself a less likely victim; tried by a child on itself."""
    command = ["sh", "-c", "echo $(($(cat /proc/self/oom_score_adj) - 1)) > /proc/self/oom_score_adj"]
    return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0


def runtime_settings(root: Path, *, always: bool = False) -> dict[str, object]:
    """The `daemon.json` entries that this host's runtime needs; none where runc itself will do, unless `always`."""
    if may_lower_oom_score() and not always:
        return {}
    return {"runtimes": {"raised": {"path": str(write_wrapper(root))}}, "default-runtime": "raised"}


def write_wrapper(root: Path) -> Path:
    """A runtime that looks at the bundle before it becomes runc."""
    wrapper = root / "runc-raised"
    wrapper.write_text(WRAPPER.replace("RUNC", shutil.which("runc") or "runc"))
    wrapper.chmod(0o755)
    return wrapper
