"""What is judged: a house is a root, what it certified below it, and the CRLs, as files in PEM."""

import base64
import dataclasses
import pathlib
import subprocess
import time


class Failure(Exception):
    """What keeps certificates from being made or judged; its text says on what and what to do."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    name: str
    profile: str
    usage: str  # clientAuth, serverAuth or ca: what a relying party uses it for
    path: pathlib.Path
    issuers: tuple[pathlib.Path, ...]  # its issuer first, the root last; a root has itself
    house: "House"

    def __post_init__(self):
        self.chain.write_text("".join(part.read_text() for part in dict.fromkeys((self.path, *self.issuers))))

    @property
    def chain(self) -> pathlib.Path:
        """The certificate and its issuers in one file."""
        return self.path.with_suffix(".chain")


@dataclasses.dataclass(frozen=True)
class Crl:
    name: str
    path: pathlib.Path
    issuer: pathlib.Path


@dataclasses.dataclass(frozen=True)
class House:
    directory: pathlib.Path
    root: pathlib.Path
    authorities: list[pathlib.Path]  # below the root
    crls: list[Crl]

    def __post_init__(self):
        self.all_crls.write_text("".join(crl.path.read_text() for crl in self.crls))

    @property
    def all_crls(self) -> pathlib.Path:
        """The CRLs in one file."""
        return self.directory / "all.crl"


def run(*command) -> str:
    """Runs a program that has to succeed, and returns its output."""
    exit_code, output = attempt(*command)
    if exit_code != 0:
        raise Failure(f"{' '.join(map(str, command))}\nexited {exit_code}:\n{output}")
    return output


def attempt(*command) -> tuple[int, str]:
    """Runs a program, and returns its exit code and its output."""
    done = subprocess.run([str(word) for word in command], text=True, errors="replace", check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def wait_until(condition, failure: str) -> None:
    """Waits as long as a slow machine may need; then it is a failure."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise Failure(failure)
        time.sleep(0.05)


def write_pem(path: pathlib.Path, label: str, der: bytes) -> pathlib.Path:
    path.write_text(f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n")
    return path
