"""The image that is shipped, built by the shipped Dockerfile without a registry, on a base that is made here.

Base and image are kept as tars below $PODTICK_CACHE, each named by everything that goes into it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from podtick import __version__
from tests.support.engine import Engine, EngineError, EngineUnavailable

REPOSITORY = Path(__file__).parents[2]
IMAGE = "podtick:test"
BASE = "podtick-base:test"
PACKAGES = "podtick-packages:test"
PROGRAMS = {"mmdebstrap": "mmdebstrap"}
"""What the base is made with, beside an engine, and its Debian package."""
RELEASE = "bookworm"
INCLUDED = "ca-certificates,python3,python3-pip,python3-venv"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PIP_FILES = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""How this machine reaches its package index, which its base has to know as a company's would."""
INDEX = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PATIENCE = 900.0  # s for one step of a build


def image_tar(engine: Engine) -> Path:
    """The image as `docker save` writes it, under the name IMAGE, its base beside it under BASE.

    `engine` builds it where the cache has none of this content: a minute and a half with nothing in the cache, seconds
    when only podtick itself has changed.

    Raises:
        EngineUnavailable: this machine cannot make a base.
        EngineError: the build failed; the end of what it said is in the message.
    """
    return _cached("image", key(_inputs()), lambda tar: _build(engine, tar))


def load_image(engine: Engine) -> str:
    """Make the image known to a Docker engine; its name."""
    engine.docker("load", "--input", str(image_tar(engine)), timeout=PATIENCE)
    return IMAGE


def key(paths: Iterable[Path]) -> str:
    """Names what is made of these files, by their names, modes and contents."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.name} {path.stat().st_mode & 0o111:o} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _packages_inputs() -> list[Path]:
    pip_files = [Path(name) for name in PIP_FILES if Path(name).exists()]
    shipped = [REPOSITORY / name for name in (".dockerignore", "deploy/Dockerfile", "requirements/run.txt")]
    return [Path(__file__), *pip_files, *shipped, *sorted((REPOSITORY / "deploy" / "image").glob("*.py"))]


def _inputs() -> list[Path]:
    own = REPOSITORY / "agent" / "podtick"
    found = [path for path in own.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return [*_packages_inputs(), REPOSITORY / "LICENSE", *sorted(found)]


# ------------------------------------------------------------------ building


def _build(engine: Engine, tar: Path) -> None:
    """Build on the saved stage of packages, so that a change of podtick downloads nothing."""
    stage = _cached("packages", key(_packages_inputs()), lambda tar: _build_packages(engine, tar))
    engine.docker("load", "--input", str(stage), timeout=PATIENCE)
    _docker_build(engine, IMAGE, "--cache-from", f"{BASE},{PACKAGES}")
    engine.docker("save", "--output", str(tar), IMAGE, BASE, timeout=PATIENCE)


def _build_packages(engine: Engine, tar: Path) -> None:
    engine.docker("import", str(_cached("base", key([Path(__file__)]), _make_base)), BASE, timeout=PATIENCE)
    _docker_build(engine, PACKAGES, "--target", "packages", "--network", "host")
    engine.docker("save", "--output", str(tar), PACKAGES, BASE, timeout=PATIENCE)


def _docker_build(engine: Engine, tag: str, *options: str) -> None:
    given = {name: os.environ[name] for name in INDEX if name in os.environ}
    arguments = {"BASE": BASE, "VERSION": __version__, "REVISION": "test", **given}
    words = [word for name, text in arguments.items() for word in ("--build-arg", f"{name}={text}")]
    file = REPOSITORY / "deploy" / "Dockerfile"
    engine.docker("build", "--file", str(file), "--tag", tag, *words, *options, str(REPOSITORY), timeout=PATIENCE)


def _make_base(tar: Path) -> None:
    """Debian's own Python, of this machine's package sources."""
    if lacking := [f"{name} (package {package})" for name, package in PROGRAMS.items() if not shutil.which(name)]:
        raise EngineUnavailable(f"no base for an image can be made here, missing: {', '.join(lacking)}")
    line = f"deb [signed-by={KEYRING}] $(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = _call(["apt-get", "indextargets", "--format", line, "Created-By: Packages"])
    sources = "\n".join(dict.fromkeys(row for row in listed.splitlines() if f" {RELEASE}" in row)) + "\n"
    copied = [f"--customize-hook=copy-in {name} {Path(name).parent}" for name in PIP_FILES if Path(name).exists()]
    forget = '--customize-hook=rm -f "$1"/etc/apt/sources.list'
    options = ["--variant=minbase", "--format=tar", f"--include={INCLUDED}", *copied, forget]
    _call(["mmdebstrap", *options, RELEASE, str(tar), "-"], sources)


def _call(command: list[str], given: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False, env=_plain()
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"{command[0]}: no end within {PATIENCE:.0f} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "://" not in line]
        raise EngineError(f"{command[0]} failed:\n" + "\n".join(said[-10:]))
    return done.stdout


def _plain() -> dict[str, str]:
    return os.environ | {"LC_ALL": "C"}


# ------------------------------------------------------------------ the cache


def _cached(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """A file of the cache, made first where it is not there; who comes second waits. The newest of a kind stay."""
    folder = Path(os.environ.get("PODTICK_CACHE") or Path.home() / ".cache" / "podtick") / "image"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{name}.tar"
    with (folder / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=folder) as partial:
                make(Path(partial) / "made.tar")
                (Path(partial) / "made.tar").rename(path)
            for outdated in sorted(folder.glob(f"{kind}-*.tar"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
                outdated.unlink()
    return path


KEPT = 3
"""Files of each kind that stay: other checkouts on this machine have theirs, and a run may be reading one."""
