"""CSRs that ask for what a profile allows."""

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
ATTRIBUTES = {"C": "DE", "O": "Judges Ltd", "OU": "Line 1", "serialNumber": "SN-0001"}  # CN: the caller's
GENERAL_NAMES = {  # openssl's name of the kind, and values to choose from
    "dns": ("DNS", ["ca.judges.example", "backup.judges.example"]),
    "ip": ("IP", ["192.0.2.1", "2001:db8::1"]),
    "uri": ("URI", ["hallmark://{realm}/{profile}/judge"]),
}


def make_key(path: pathlib.Path, key_type: str) -> pathlib.Path:
    if key_type not in KEYS:
        raise Failure(f"nobody here can make a key of type {key_type}; add it to KEYS in tests/judges/csr.py")
    run("openssl", "genpkey", *KEYS[key_type], "-out", path)
    return path


def write_csr(path: pathlib.Path, key: pathlib.Path, profile_name: str, profile: dict, realm: str,
              everything: bool) -> None:
    """Writes a CSR with the names that the profile requires, or with everything that it allows."""

    def choose(rule: dict, candidates: list[str]) -> list[str]:
        if not everything and not rule.get("required", True):
            return []
        if "fixed" in rule:
            return [rule["fixed"]]
        pattern = rule["pattern"].replace("{realm}", re.escape(realm))
        fitting = [value for value in candidates if re.fullmatch(pattern, value)]
        if not fitting:
            raise Failure(f"profile {profile_name}: nothing in tests/judges/csr.py fits the pattern of its "
                          f"{rule['type']}, {rule['pattern']}; add a value there")
        return fitting[:rule.get("max_count", 1)]

    lines = ["[req]", "prompt = no", "string_mask = utf8only", "distinguished_name = subject"]
    names = []
    for rule in profile.get("subject_alt_names", []):
        kind, values = GENERAL_NAMES.get(rule["type"], (None, []))
        values = [value.format(realm=realm, profile=profile_name) for value in values]
        names += [f"{kind}:{value}" for value in choose(rule, values)]
    if names:
        lines += ["req_extensions = extensions", "[extensions]", f"subjectAltName = {','.join(names)}"]
    lines += ["[subject]"]
    for number, rule in enumerate(profile["subject"]):
        candidates = [f"{profile_name}-{path.stem}"] if rule["type"] == "CN" else [ATTRIBUTES.get(rule["type"], "")]
        lines += [f"{number}.{rule['type']} = {value}" for value in choose(rule, candidates)]
    config = path.with_suffix(".cnf")
    config.write_text("\n".join(lines) + "\n")
    run("openssl", "req", "-new", "-key", key, "-config", config, "-out", path)
