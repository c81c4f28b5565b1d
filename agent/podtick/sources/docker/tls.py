"""TLS towards an engine, set as the `docker` command's: DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from podtick.sources.docker.errors import EndpointError, EngineUnavailableError, Trouble
from podtick.sources.texts import one_line

TLS_PORT = 2376
CLIENT_HINT = ": does the engine accept the certificate cert.pem?"
"""For whatever ends a connection: with TLS 1.3 a client is refused after it thinks that it is connected."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the authority that signs the engine's certificate is, and the certificate and key that we show it."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """Ours."""
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        """Ours."""
        return self.folder / "key.pem"

    def context(self) -> ssl.SSLContext:
        """Read the files, as they are now; raises `EngineUnavailableError` that names the one that does not do."""
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise EngineUnavailableError(
                Trouble.TLS, f"{self.folder}: ca.pem, cert.pem or key.pem cannot be used: {one_line(str(error))}"
            ) from None
        return context


def tls_files(environ: Mapping[str, str]) -> TlsFiles | None:
    """What the environment asks for: `None` without DOCKER_TLS_VERIFY; any value of it means yes, as for `docker`.

    Raises `EndpointError` when a file is not there, or cannot be looked at.
    """
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    named = environ.get("DOCKER_CERT_PATH", "").strip()
    try:
        files = TlsFiles(Path(named).expanduser() if named else Path(environ.get("HOME", "/root")) / ".docker")
        for file in (files.ca, files.certificate, files.key):
            if not file.is_file():
                raise EndpointError(f"DOCKER_TLS_VERIFY asks for TLS, and there is no {file}: set DOCKER_CERT_PATH")
    except (OSError, RuntimeError) as error:  # forbidden, too long, the home of nobody
        said = one_line(getattr(error, "strerror", None) or str(error))
        where = one_line(named) or "~/.docker"
        raise EndpointError(
            f"DOCKER_TLS_VERIFY asks for TLS, and {where} cannot be looked at: {said}: set DOCKER_CERT_PATH"
        ) from None
    return files


def explain(error: ssl.SSLError) -> str:
    """Say what TLS found wrong, and what to look at."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = one_line(error.verify_message or str(error))
        return f"the engine's certificate is not to be trusted: {said}: is ca.pem the one that signed it?"
    said = one_line(error.reason or str(error)).replace("_", " ").lower()
    if "wrong version" in said or "http request" in said:
        return "it does not speak TLS on this port: unset DOCKER_TLS_VERIFY, or use the TLS port (usually 2376)"
    return f"TLS failed: {said}{CLIENT_HINT}"


def _no_password() -> str:
    raise ValueError("key.pem is encrypted, which an agent cannot open")
