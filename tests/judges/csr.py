"""CSRs that ask for what a profile allows."""

import hashlib
import pathlib
import re

from house import Failure, run

KEYS = {  # as profiles spell them: what `openssl genpkey` takes
    "ec-p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ec-p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "rsa-2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "rsa-3072": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "rsa-4096": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"),
}
# Values to choose from. {name}: after the profile and the CSR; {code}: as a cloud would give it.
ATTRIBUTES = {
    "C": ["DE"],
    "ST": ["Hesse"],
    "L": ["Darmstadt"],
    "O": ["Judges Ltd"],
    "OU": ["Line 1", "Line 2", "Line 3", "Line 4"],
    "DC": ["example", "judges"],
    "serialNumber": ["SN-0001"],
    "CN": ["{name}", "{code}"],
    "1.3.6.1.4.1.37244.2.1": ["FFF1"],  # Matter's VendorID
    "1.3.6.1.4.1.37244.2.2": ["8000"],  # and ProductID
}
GENERAL_NAMES = {  # openssl's name of the kind, and values to choose from
    "dns": ("DNS", ["ca.judges.example", "backup.judges.example"]),
    "ip": ("IP", ["192.0.2.1", "2001:db8::1"]),
    "uri": ("URI", ["hallmark://{realm}/{profile}/judge", "hallmark://{realm}/enrollment/judge", "urn:judges.example:Judges:Pump"]),
    "hardwareModuleName": ("otherName", ["1.3.6.1.4.1.32473.1:SN-0001"]),
}
HARDWARE_MODULE = """
[hardware]
type = OID:{0}
serial = FORMAT:ASCII,OCTETSTRING:{1}
"""


def make_key(path: pathlib.Path, key_type: str) -> pathlib.Path:
    if key_type not in KEYS:
        raise Failure(f"nobody here can make a key of type {key_type}; add it to KEYS in tests/judges/csr.py")
    run("openssl", "genpkey", *KEYS[key_type], "-out", path)
    return path


def write_csr(path: pathlib.Path, key_type: str, profile_name: str, profile: dict, realm: str,
              everything: bool) -> None:
    """Writes a CSR with the names that the profile requires, or with everything that it allows, and its key beside."""
    subject = profile["subject"]
    needed = [rule for rule in subject if rule.get("required", True)] or subject[:1]
    places = {"name": f"{profile_name}-{path.stem}", "realm": realm, "profile": profile_name,
              "code": hashlib.sha256(f"{profile_name} {path.stem}".encode()).hexdigest()[:48].upper()}

    def choose(rule: dict, candidates: list[str]) -> list[str]:
        if "fixed" in rule or "value" in rule:
            return []  # the profile's
        pattern = rule["pattern"].replace("{realm}", re.escape(realm))
        values = [value.format(**places) for value in candidates]
        fitting = [value for value in values if re.fullmatch(pattern, value)]
        if not fitting:
            raise Failure(f"profile {profile_name}: nothing in tests/judges/csr.py fits the pattern of its "
                          f"{rule['type']}, {rule['pattern']}; add a value there")
        return fitting[:rule.get("max_count", 1)]

    lines = ["[req]", "prompt = no", "string_mask = utf8only", "distinguished_name = subject"]
    names, modules = [], ""
    for rule in profile.get("subject_alt_names", []):
        if not everything and not rule.get("required", True):
            continue
        kind, candidates = GENERAL_NAMES.get(rule["type"], (None, []))
        for value in choose(rule, candidates):
            if kind == "otherName":
                names.append("otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:hardware")
                modules = HARDWARE_MODULE.format(*value.split(":"))
            else:
                names.append(f"{kind}:{value}")
    if names:
        lines += ["req_extensions = extensions", "[extensions]", f"subjectAltName = {','.join(names)}", modules]
    lines += ["[subject]"]
    for rule in subject if everything else needed:
        lines += [f"{number}.{rule['type']} = {value}"
                  for number, value in enumerate(choose(rule, ATTRIBUTES.get(rule["type"], [])))]
    config = path.with_suffix(".cnf")
    config.write_text("\n".join(lines) + "\n")
    run("openssl", "req", "-new", "-key", make_key(path.with_suffix(".key"), key_type), "-config", config, "-out", path)
