"""An instance of Hallmark, and everything that it certifies: by `hallmark init`, and over gRPC."""

import contextlib
import pathlib
import sqlite3
import subprocess
import urllib.request

import yaml

import csr
from house import Certificate, Crl, Failure, House, run, wait_until, write_pem
from judges import USAGES

AUTHORITIES = [  # name, profile, parent, subject; a parent before what is below it
    ("group-root", "three-tier-root", None, "O=Judges Ltd, CN=Judges Group Root"),
    ("plants", "intermediate-authority", "group-root", "O=Judges Ltd, CN=Judges Plants"),
    ("plant-b", "issuing-authority", "plants", "O=Judges Ltd, CN=Judges Plant B"),
    ("idevid-root", "idevid-root", None, "C=DE, O=Judges Ltd, CN=Judges IDevID Root"),
    ("idevids", "idevid-authority", "idevid-root", "C=DE, O=Judges Ltd, CN=Judges IDevIDs"),
    ("paa", "matter-paa", None, "CN=Judges PAA, 1.3.6.1.4.1.37244.2.1=FFF1"),
    ("pai", "matter-pai", "paa", "CN=Judges PAI, 1.3.6.1.4.1.37244.2.1=FFF1"),
]
SERVICE = "localhost"  # a name that the service's certificate always has


class Instance:
    def __init__(self, directory: pathlib.Path, programs: pathlib.Path, key_type: str, *init_options: str):
        directory.mkdir()
        self.directory = directory
        self.programs = programs
        self.key_type = key_type
        self.ca = directory / "ca"
        run(programs / "hallmark", "init", self.ca, "--grpc-port", 0, "--http-port", 0, "--key-type", key_type,
            *init_options)
        # Judged is what certificates contain; that devices are announced in lots changes nothing of it.
        for path in (self.ca / "policies/profiles").glob("*.yaml"):
            path.write_text(path.read_text().replace("\nadmission: lot\n", "\n"))
        self.config = yaml.safe_load((self.ca / "hallmark.yaml").read_text())
        self.profiles = {path.stem: yaml.safe_load(path.read_text())
                         for path in sorted((self.ca / "policies/profiles").glob("*.yaml"))}

    @contextlib.contextmanager
    def service(self):
        """Runs hallmarkd for as long as the caller needs it."""
        log = self.directory / "hallmarkd.log"
        with log.open("w") as stderr:
            process = subprocess.Popen([self.programs / "hallmarkd", "--config", self.ca / "hallmark.yaml"],
                                       stderr=stderr)

        url = f"http://{self.config['listen']['http']}/readyz"

        def ready() -> bool:
            if process.poll() is not None:
                raise Failure(f"hallmarkd exited {process.returncode}:\n{log.read_text()}")
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(url, timeout=10).status == 200
            return False

        try:
            wait_until(ready, f"hallmarkd does not become ready; see {log}")
            yield
        finally:
            process.terminate()
            process.wait()

    def found_each(self) -> None:
        """The authorities that the profiles' comments tell how to make."""
        for name, profile, parent, subject in AUTHORITIES:
            certified_by = ("--root",) if parent is None else ("--parent", parent)
            self._hallmark("authority", "create", name, *certified_by, "--profile", profile, "--subject", subject,
                           "--enable")

    def issue_each(self) -> None:
        """For each profile that certifies what somebody brings: one certificate of each key type with every name that
        the profile allows, and one with no names but those that it requires."""
        # Of these the key is Hallmark's; the last two no operator may ask for.
        made = {profile for _, profile, _, _ in AUTHORITIES} | {"root", "report-signer", "station-enrolled"}
        for name in sorted(self.profiles.keys() - made):
            profile = self.profiles[name]
            directory = self.directory / name
            directory.mkdir()
            for key_type in profile["keys"]:
                csr.write_csr(directory / f"{key_type}.csr", key_type, name, profile, self.config["realm"], True)
            csr.write_csr(directory / "least.csr", profile["keys"][0], name, profile, self.config["realm"], False)
            self._hallmark("certificate", "issue", "--authority", self._issuer(profile), "--profile", name, "--out",
                           directory, directory)
        credential = self.directory / "line.enrollment"
        self._hallmark("station", "credential", "judged-line", "--out", credential)
        self._hallmark("station", "enroll", credential, "--out", self.directory / "judged-line")

    def _issuer(self, profile: dict) -> str:
        by_profile = {made_under: name for name, made_under, _, _ in AUTHORITIES}
        named = profile.get("authorities", []) + [by_profile[made_under] for made_under in
                                                  profile.get("authority_profiles", []) if made_under in by_profile]
        return named[0] if named else "devices"

    def revoke(self, reasons: list[str]) -> None:
        """Certifies a device for each reason, revokes it, and waits until a CRL says so."""
        directory = self.directory / "revoked"
        directory.mkdir()
        for reason in reasons:
            run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN=revoked-{reason}", "-keyout", directory / f"{reason}.key", "-out", directory / f"{reason}.csr")
        self._hallmark("certificate", "issue", "--out", directory, directory)
        for reason in reasons:
            self._hallmark("certificate", "revoke", directory / f"{reason}.pem", "--reason", reason, "--yes")
        entries = "SELECT max(revocation_count) FROM crls WHERE authority = 'devices' AND signed = 1"
        wait_until(lambda: self._query(entries) == [(len(reasons),)], "no CRL of 'devices' has what was revoked")

    def certificates(self) -> tuple[list[House], list[Certificate], list[Certificate]]:
        """What is on record: a house for each root, the certificates, and those of them that are revoked."""
        parents, authorities = {}, {}
        out = self.directory / "out"
        out.mkdir()
        for name, parent, der in self._query("SELECT authority, parent, certificate FROM authorities"):
            parents[name] = parent
            authorities[name] = write_pem(out / f"authority-{name}.pem", "CERTIFICATE", der)
        newest = "SELECT authority, crl, max(number) FROM crls WHERE signed = 1 GROUP BY authority"
        wait_until(lambda: len(self._query(newest)) == len(parents), "not every authority has a CRL")
        crls = {name: Crl(f"{self.key_type} CRL of {name}", write_pem(out / f"{name}.crl", "X509 CRL", der),
                          authorities[name]) for name, der, _ in self._query(newest)}

        def lineage(name: str) -> list[str]:
            return [name] + ([] if parents[name] == name else lineage(parents[name]))

        houses = {}
        for root in (name for name, parent in parents.items() if parent == name):
            below = [name for name in authorities if name != root and lineage(name)[-1] == root]
            directory = out / root
            directory.mkdir()
            houses[root] = House(directory, authorities[root], [authorities[name] for name in below],
                                 [crls[name] for name in [root] + below])
        good, revoked = [], []
        issued = "SELECT id, authority, profile, subject, revoked, certificate FROM certificates WHERE draft IS NULL"
        for number, authority, profile, subject, revocation, der in self._query(issued):
            line = lineage(authority)
            (good if revocation is None else revoked).append(
                Certificate(f"{self.key_type} {profile} {subject}", profile, self._usage(profile),
                            write_pem(out / f"{number}.pem", "CERTIFICATE", der),
                            tuple(authorities[name] for name in line), houses[line[-1]]))
        return list(houses.values()), good, revoked

    def _usage(self, profile: str) -> str:
        fields = self.profiles[profile]
        usage = "ca" if "ca" in fields else fields.get("extended_key_usage", ["any"])[0]
        if usage not in USAGES:
            raise Failure(f"profile {profile}: nobody here knows how a judge is asked about {usage}; add it to USAGES "
                          "in tests/judges/judges.py")
        return usage

    def _hallmark(self, *arguments) -> str:
        context = self.ca / "contexts/local.yaml"
        if not context.exists():  # the operator's, by a name that resolves
            operator = yaml.safe_load((self.ca / "contexts/operator.yaml").read_text())
            operator["endpoint"] = f"{SERVICE}:{operator['endpoint'].rpartition(':')[2]}"
            context.write_text(yaml.safe_dump(operator))
        return run(self.programs / "hallmark", "--context", context, *arguments)

    def _query(self, sql: str) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(f"file:{self.ca / 'hallmark.db'}?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()
