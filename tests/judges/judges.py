"""The judges: each looks at a certificate or a CRL and tells what it finds. docs/judges.md says what each is asked."""

import dataclasses
import json
import pathlib
import re
import subprocess
import threading
from collections.abc import Callable

from house import Certificate, Crl, House, attempt, run


@dataclasses.dataclass(frozen=True)
class Usage:
    """How each validator calls what a relying party uses a certificate for."""

    openssl: str  # -purpose
    gnutls: tuple[str, ...]
    nss: int  # -u


USAGES = {
    "ca": Usage("any", (), 3),
    "clientAuth": Usage("sslclient", ("--verify-purpose", "1.3.6.1.5.5.7.3.2"), 0),
    "serverAuth": Usage("sslserver", ("--verify-purpose", "1.3.6.1.5.5.7.3.1"), 1),
    "OCSPSigning": Usage("ocsphelper", ("--verify-purpose", "1.3.6.1.5.5.7.3.9"), 10),
    "any": Usage("any", (), 0),  # no purpose is named, so each will do
}


@dataclasses.dataclass(frozen=True)
class Finding:
    rule: str  # the judge's name for it; "refused" where it has none
    text: str


@dataclasses.dataclass(frozen=True)
class Judge:
    name: str
    validates: bool  # a path to the root; else it reads the object alone
    certificate: Callable[[Certificate], list[Finding]]
    crl: Callable[[Crl], list[Finding]] | None = None
    sees_revocation: bool = False


def refusal_unless(accepted: bool, output: str, reason: str = "$^") -> list[Finding]:
    """What a validator finds; `reason` is the pattern of what it calls its reason."""
    if accepted:
        return []
    found = re.search(reason, output)
    return [Finding(found.group(1) if found else "refused", " ".join(output.split()))]


def openssl_certificate(certificate: Certificate) -> list[Finding]:
    house = certificate.house
    _, output = attempt("openssl", "verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-auth_level", 2,
                        "-crl_check_all", "-purpose", USAGES[certificate.usage].openssl, "-CAfile", house.root,
                        "-CRLfile", house.all_crls, "-untrusted", certificate.chain, certificate.path)
    return refusal_unless(output == f"{certificate.path}: OK\n", output, r"error (\d+) at")


def openssl_crl(crl: Crl) -> list[Finding]:
    _, output = attempt("openssl", "crl", "-noout", "-in", crl.path, "-CAfile", crl.issuer)
    return refusal_unless(output == "verify OK\n", output)


def remarks(output: str) -> list[Finding]:
    """The lines in which certtool tells, amid all that it prints, that it does not like or know something."""
    return [Finding("remark", line.strip()) for line in output.splitlines()
            if re.search(r"\b(error|warning|unknown|unrecognized|unsupported|invalid)\b", line, re.IGNORECASE)]


def gnutls_certificate(certificate: Certificate) -> list[Finding]:
    house = certificate.house
    exit_code, output = attempt("certtool", "--verify", "--verify-profile", "medium",
                                *USAGES[certificate.usage].gnutls, "--load-ca-certificate", house.root, "--load-crl",
                                house.all_crls, "--infile", certificate.chain)
    accepted = exit_code == 0 and "Verified. The certificate is trusted." in output
    return refusal_unless(accepted, output) + remarks(run("certtool", "-i", "--infile", certificate.path))


def gnutls_crl(crl: Crl) -> list[Finding]:
    exit_code, output = attempt("certtool", "--verify-crl", "--load-ca-certificate", crl.issuer, "--infile", crl.path)
    accepted = exit_code == 0 and "Verified." in output
    return refusal_unless(accepted, output) + remarks(run("certtool", "--crl-info", "--infile", crl.path))


class Nss:
    """NSS judges by a database: one for each house, made when it is first needed, with its root trusted, its
    authorities and its CRLs."""

    def __init__(self):
        self._lock = threading.Lock()

    # From the database alone. Not failIfNoInfo: together with forbidFetching it refuses even who is not on the CRL.
    REVOCATION = ("-h", "testLocalInfoFirst", "-m", "crl", "-s", "forbidFetching")

    def certificate(self, certificate: Certificate) -> list[Finding]:
        _, output = attempt("vfychain", "-d", self._database(certificate.house), "-pp", "-u",
                            USAGES[certificate.usage].nss, "-g", "leaf", *self.REVOCATION, "-g", "chain",
                            *self.REVOCATION, "-a", certificate.path)
        return refusal_unless(output == "Chain is good!\n", output, r"ERROR (-\d+)")

    def crl(self, crl: Crl) -> list[Finding]:
        """Whether a database that knows the issuer takes the CRL in, for which NSS verifies it."""
        database = self._create(crl.path.with_suffix(".nss"))
        run("certutil", "-A", "-d", database, "-n", "issuer", "-t", "CT,C,C", "-a", "-i", crl.issuer)
        exit_code, output = attempt("crlutil", "-I", "-d", database, "-i", self._der(crl))
        return refusal_unless(exit_code == 0, output)

    def _database(self, house: House) -> str:
        with self._lock:
            directory = house.directory / "nss"
            if directory.exists():
                return f"sql:{directory}"
            database = self._create(directory)
            run("certutil", "-A", "-d", database, "-n", "root", "-t", "CT,C,C", "-a", "-i", house.root)
            for authority in house.authorities:
                run("certutil", "-A", "-d", database, "-n", authority.stem, "-t", ",,", "-a", "-i", authority)
            for crl in house.crls:
                run("crlutil", "-I", "-d", database, "-i", self._der(crl))
            return database

    @staticmethod
    def _create(directory: pathlib.Path) -> str:
        directory.mkdir()
        run("certutil", "-N", "-d", f"sql:{directory}", "--empty-password")
        return f"sql:{directory}"

    @staticmethod
    def _der(crl: Crl) -> pathlib.Path:
        path = crl.path.with_suffix(".der")
        run("openssl", "crl", "-in", crl.path, "-outform", "DER", "-out", path)
        return path


def botan_certificate(certificate: Certificate) -> list[Finding]:
    _, output = attempt("botan", "cert_verify", certificate.path, *certificate.issuers)
    return refusal_unless(output == "Certificate passes validation checks\n", output, r"did not validate - (.+)")


class Zlint:
    # What browsers and their forum ask of public CAs, and what ETSI asks of qualified certificates.
    EXCLUDED_SOURCES = {"CABF_BR", "CABF_CS_BR", "CABF_EV", "CABF_SMIME_BR", "Apple", "Mozilla", "ETSI_ESI"}

    def __init__(self, program: pathlib.Path):
        self._program = program
        lints = map(json.loads, run(program, "-list-lints-json").splitlines())
        self._excluded = {lint["name"] for lint in lints if lint["source"] in self.EXCLUDED_SOURCES}

    def judge(self, item: Certificate | Crl) -> list[Finding]:
        results = {rule: result for rule, result in json.loads(run(self._program, item.path)).items()
                   if rule not in self._excluded and result["result"] not in ("NA", "NE")}
        if not results:
            return [Finding("nothing applies", "no lint applies to it, so zlint did not judge it")]
        return [Finding(rule, f"{result['result']} {result.get('details', '')}".strip())
                for rule, result in results.items() if result["result"] != "pass"]


class Pkilint:
    """pkilint's programs, kept running by pkilint_worker.py in the Python where pkilint is installed."""

    # INFO only names what pkilint recognised, such as the method of a key identifier.
    OPTIONS = ("--severity", "NOTICE", "--format", "JSON", "--document-format", "PEM")

    def __init__(self, python: pathlib.Path):
        self._lock = threading.Lock()
        self._worker = subprocess.Popen([python, "-B", pathlib.Path(__file__).parent / "pkilint_worker.py"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def certificate(self, certificate: Certificate) -> list[Finding]:
        return (self._findings("lint_pkix_cert", "lint", *self.OPTIONS, certificate.path) +
                self._findings("lint_pkix_signer_signee_cert_chain", "lint", *self.OPTIONS, certificate.issuers[0],
                               certificate.path))

    def crl(self, crl: Crl) -> list[Finding]:
        return self._findings("lint_crl", "lint", "--type", "CRL", "--profile", "PKIX", *self.OPTIONS, crl.path)

    def _findings(self, *command) -> list[Finding]:
        with self._lock:
            self._worker.stdin.write(json.dumps([str(word) for word in command]) + "\n")
            self._worker.stdin.flush()
            exit_code, output = json.loads(self._worker.stdout.readline())
        if not output.startswith("{"):
            return [Finding("refused", f"exit code {exit_code}: {output}")]
        return [Finding(finding["code"] + self._place(result["node_path"]),
                        f"{finding['severity']} at {result['node_path']}: {finding['message']}")
                for result in json.loads(output)["results"] for finding in result["finding_descriptions"]]

    @staticmethod
    def _place(node_path: str) -> str:
        """The extension, so that what is accepted in one is not accepted in another."""
        extension = re.search(r"\.extnValue\.(\w+)", node_path)
        return f" in {extension.group(1)}" if extension else ""


def debian_judges() -> list[Judge]:
    nss = Nss()
    return [
        Judge("OpenSSL", True, openssl_certificate, openssl_crl, sees_revocation=True),
        Judge("GnuTLS", True, gnutls_certificate, gnutls_crl, sees_revocation=True),
        Judge("NSS", True, nss.certificate, nss.crl, sees_revocation=True),
        Judge("Botan", True, botan_certificate),
    ]
