"""Authorities and certificates of a test's own, as an engine and its clients have them in a folder."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from podtick.sources.docker.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Certificates:
    """One authority: folders of clients it trusts, contexts and files of servers that it vouches for."""

    authority: trustme.CA
    folder: Path

    def client(self, name: str = "client", trusts: "trustme.CA | None" = None) -> TlsFiles:
        """A folder with a certificate of this authority, which trusts it, or another one."""
        files = TlsFiles(self.folder / name)
        files.folder.mkdir()
        (trusts or self.authority).cert_pem.write_to_path(files.ca)
        self._write(self.authority.issue_cert("client.test"), files.certificate, files.key)
        return files

    def server(self, host: str = "127.0.0.1", *, expired: bool = False) -> ssl.SSLContext:
        """A server that shows a certificate for `host` and asks for one of this authority."""
        certificate = self._issue(host, expired=expired)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        self.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def server_files(self, host: str = "127.0.0.1") -> TlsFiles:
        """The same as files, for an engine."""
        files = TlsFiles(self.folder / "engine")
        files.folder.mkdir()
        self.authority.cert_pem.write_to_path(files.ca)
        self._write(self._issue(host), files.certificate, files.key)
        return files

    def _issue(self, host: str, *, expired: bool = False) -> trustme.LeafCert:
        now = datetime.datetime.now(datetime.UTC)
        until = now - datetime.timedelta(days=1)
        if expired:
            return self.authority.issue_cert(host, not_before=until - datetime.timedelta(days=1), not_after=until)
        return self.authority.issue_cert(host)

    def _write(self, certificate: trustme.LeafCert, public: Path, private: Path) -> None:
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(public, append=True)
        certificate.private_key_pem.write_to_path(private)


def certificates(folder: Path) -> Certificates:
    """A new authority, with its files below `folder`."""
    return Certificates(trustme.CA(), folder)
