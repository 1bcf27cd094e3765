"""What is known to be bad, and made with openssl: a judge that accepts it is none. And one chain that is known to be
good, so that each of the bad ones is refused for what is wrong with it."""

import pathlib
import shutil

from house import Certificate, Crl, House, run
from judges import Judge

EXTENSIONS = """
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[constrained]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical, permitted;DNS:inside.example, excluded;DNS:secret.inside.example
[device]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:$ENV::NAME
[plain]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[flawed]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyCertSign
[crl]
authorityKeyIdentifier = keyid
[ca]
default_ca = list
[list]
database = $ENV::INDEX
crlnumber = $ENV::NUMBER
default_md = sha256
default_crl_days = 7
"""


class Workshop:
    """Certifies without asking."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir()
        self.directory = directory
        self._config = directory / "openssl.cnf"
        self._config.write_text(EXTENSIONS)
        (directory / "index").touch()
        (directory / "number").write_text("01\n")

    def certify(self, name: str, extensions: str, issuer: str | None, dns: str = "none",
                subject: str | None = None) -> pathlib.Path:
        """NAME.pem and NAME.key, signed by the key of `issuer`, or by its own."""
        path = self.directory / f"{name}.pem"
        key = path.with_suffix(".key")
        request = path.with_suffix(".csr")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-subj",
            subject or f"/CN={name.partition('-')[0]}", "-keyout", key, "-out", request)
        signer = ("-signkey", key) if issuer is None else ("-CA", self.directory / f"{issuer}.pem", "-CAkey",
                                                           self.directory / f"{issuer}.key", "-CAcreateserial")
        run(*self._environment(dns), "openssl", "x509", "-req", "-in", request, "-days", 30, "-extfile", self._config,
            "-extensions", extensions, *signer, "-out", path)
        return path

    def list_revoked(self, issuer: str, name: str, *options) -> pathlib.Path:
        path = self.directory / f"{name}.crl"
        run(*self._environment("none"), "openssl", "ca", "-gencrl", "-config", self._config, *options, "-cert",
            self.directory / f"{issuer}.pem", "-keyfile", self.directory / f"{issuer}.key", "-out", path)
        return path

    def _environment(self, dns: str) -> list[str]:
        return ["env", f"NAME={dns}", f"INDEX={self.directory / 'index'}", f"NUMBER={self.directory / 'number'}"]


class Examination:
    """What judges got wrong."""

    def __init__(self):
        self.failures = []

    def expect(self, judge: Judge, judged, item: Certificate | Crl, refused: bool) -> None:
        findings = judged(item)
        print(f"{'ok' if bool(findings) == refused else 'FAILED':8} {judge.name:8} control: {item.name}")
        if bool(findings) != refused:
            self.failures.append(
                f"{judge.name} {'accepts' if refused else 'refuses'} the control '{item.name}': {findings}")


def examine(judges: list[Judge], directory: pathlib.Path, revoked: list[Certificate]) -> list[str]:
    """What a judge got wrong."""
    workshop = Workshop(directory)
    root = workshop.certify("root", "root", None)
    constrained = workshop.certify("constrained", "constrained", "root")
    workshop.certify("constrained-impostor", "root", None)  # the same name, another key
    crls = [Crl(issuer, workshop.list_revoked(issuer, issuer, "-crlexts", "crl"), directory / f"{issuer}.pem")
            for issuer in ("root", "constrained")]
    house = House(directory, root, [constrained], crls)

    def device(name: str, dns: str, issuer: str = "constrained") -> Certificate:
        return Certificate(name, "device", "clientAuth", workshop.certify(name, "device", issuer, dns),
                           (constrained, root), house)

    good = device("permitted", "device.inside.example")
    bad = [device("outside", "device.outside.example"), device("excluded", "device.secret.inside.example"),
           device("forged", "device.inside.example", "constrained-impostor")]
    flawed = Certificate("flawed", "device", "clientAuth", workshop.certify("flawed", "flawed", "constrained"),
                         (constrained, root), house)
    wrong_issuer = Crl("of another authority", crls[0].path, constrained)
    bare = Crl("without extensions", workshop.list_revoked("root", "bare"), root)

    examination = Examination()
    expect = examination.expect
    for judge in judges:
        if judge.validates:
            expect(judge, judge.certificate, good, False)
        for certificate in bad if judge.validates else [flawed]:
            expect(judge, judge.certificate, certificate, True)
        for certificate in revoked if judge.sees_revocation else []:
            expect(judge, judge.certificate, certificate, True)
        if judge.crl:
            expect(judge, judge.crl, wrong_issuer if judge.validates else bare, True)
    return examination.failures


# Who reads constraints of directoryName: GnuTLS does not, and Botan only compares the attributes that are there.
DIRECTORY_NAMES = {"OpenSSL", "NSS", "Botan"}
WHOLE_DIRECTORY_NAMES = {"OpenSSL", "NSS"}


def examine_manufacturer(judges: list[Judge], directory: pathlib.Path, ca: Certificate, key: pathlib.Path) -> list[str]:
    """What a manufacturer's CA below ours can certify, in its own hands: what lies in its name constraints."""
    workshop = Workshop(directory)
    shutil.copy(key, directory / "maker.key")
    maker = pathlib.Path(shutil.copy(ca.path, directory / "maker.pem"))
    crl = Crl("of the manufacturer", workshop.list_revoked("maker", "maker", "-crlexts", "crl"), maker)
    crls = [crl] + [known for known in ca.house.crls if known.issuer in ca.issuers]
    house = House(directory, ca.house.root, [maker], crls)

    def device(name: str, extensions: str, subject: str) -> Certificate:
        path = workshop.certify(name, extensions, "maker", "device.judges.example", subject)
        return Certificate(f"manufacturer's {name}", "device", "clientAuth", path, (maker, *ca.issuers), house)

    inside = device("inside", "plain", "/C=DE/O=Judges Ltd/CN=device-1")
    other = device("other organization", "plain", "/C=DE/O=Judges Limited/CN=device-1")
    shorter = device("organization missing", "plain", "/C=DE/CN=device-1")
    named = device("name of the DNS", "device", "/C=DE/O=Judges Ltd/CN=device-1")
    examination = Examination()
    for judge in (judge for judge in judges if judge.validates):
        examination.expect(judge, judge.certificate, inside, False)
        examination.expect(judge, judge.certificate, named, True)
        if judge.name in DIRECTORY_NAMES:
            examination.expect(judge, judge.certificate, other, True)
        if judge.name in WHOLE_DIRECTORY_NAMES:
            examination.expect(judge, judge.certificate, shorter, True)
    return examination.failures
