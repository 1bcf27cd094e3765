"""Has every certificate and CRL judged, and compares the findings with accepted.yaml. Called by tools/judges."""

import argparse
import concurrent.futures
import os
import pathlib
import sys
import tempfile

import yaml

import controls
from house import Certificate, Crl, Failure
from instance import Instance
from judges import Judge, Pkilint, Zlint, debian_judges

SKIPPED = 77  # ctest's SKIP_RETURN_CODE
ALL_JUDGES = 6
CRL = "crl"  # what accepted.yaml calls a CRL, which has no profile
REASONS = ["keyCompromise", "cessationOfOperation"]
MANUFACTURER = "CN=manufacturer-ca-ec-p256"  # whose CA certifies a few more
MANUFACTURERS_KEY = "main/manufacturer-ca/ec-p256.key"


class Accepted:
    """The findings that are explained. One that no longer occurs has to go, lest it hide another."""

    def __init__(self, path: pathlib.Path):
        self._path = path
        self._unused = {(entry["judge"], entry["rule"], profile)
                        for entry in yaml.safe_load(path.read_text()) if entry["why"] for profile in entry["profiles"]}
        self._all = frozenset(self._unused)

    def take(self, judge: str, rule: str, profile: str) -> bool:
        self._unused.discard((judge, rule, profile))
        return (judge, rule, profile) in self._all

    def unused(self, judges: list[Judge]) -> list[str]:
        present = {judge.name for judge in judges}
        return [f"{self._path.name} accepts what did not occur; remove it: {', '.join(entry)}"
                for entry in sorted(self._unused) if entry[0] in present]


def make_items(directory: pathlib.Path, programs: pathlib.Path) -> tuple[list, list[Certificate], list[str]]:
    """What is judged, apart from it the certificates that are revoked, and what is missing. One instance has a realm of
    its own and everything in it; the others have init's, and show the other signature algorithms of authorities."""
    host = ("--host", "ca.judges.example")  # in the URIs of CRLs and issuers; only a laptop's is localhost
    main = Instance(directory / "main", programs, "ec-p256", "--realm", "judges.example", *host)
    with main.service():
        main.found_each()
        main.issue_each()
        main.revoke(REASONS)
        made = [main.certificates()]
    others = [Instance(directory / key, programs, key, *host) for key in ("ec-p384", "rsa-3072")]
    made += [instance.certificates() for instance in others]
    # What signs reports is made for one and judged there (tests/lot_issuance_test.cc).
    missing = [f"no certificate of profile {profile} is on record; have one made in tests/judges/instance.py"
               for profile in main.profiles.keys() - {"report-signer"} if not any(good.profile == profile for good in made[0][1])]
    items = [item for houses, good, _ in made for item in good + [crl for house in houses for crl in house.crls]]
    return items, made[0][2], missing


def judge_all(judges: list[Judge], items: list[Certificate | Crl], accepted: Accepted) -> list[str]:
    """Prints a line for each judge and item; returns what is not accepted."""
    tasks = [(item, judge, judge.certificate if isinstance(item, Certificate) else judge.crl)
             for item in items for judge in judges]
    tasks = [task for task in tasks if task[2] is not None]
    failures = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (item, judge, _), findings in zip(tasks, pool.map(lambda task: task[2](task[0]), tasks)):
            profile = item.profile if isinstance(item, Certificate) else CRL
            bad = [finding for finding in findings if not accepted.take(judge.name, finding.rule, profile)]
            known = sorted({finding.rule for finding in findings} - {finding.rule for finding in bad})
            verdict = "FAILED" if bad else "accepted" if known else "ok"
            print(f"{verdict:8} {judge.name:8} {item.name} {' '.join(known)}".rstrip())
            failures += [f"{judge.name} on {item.name} ({profile}): {finding.rule}: {finding.text}" for finding in bad]
    return failures


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("programs", type=pathlib.Path, help="the directory of hallmark and hallmarkd")
    arguments.add_argument("zlint", type=pathlib.Path, help="the program; it is missing if it could not be installed")
    arguments.add_argument("pkilint", type=pathlib.Path, help="the virtual environment; likewise")
    options = arguments.parse_args()

    judges = debian_judges()
    if options.zlint.exists():
        zlint = Zlint(options.zlint)
        judges.append(Judge("zlint", False, zlint.judge, zlint.judge))
    if (options.pkilint / "installed").exists():
        pkilint = Pkilint(options.pkilint / "bin/python")
        judges.append(Judge("pkilint", False, pkilint.certificate, pkilint.crl))
    accepted = Accepted(pathlib.Path(__file__).parent / "accepted.yaml")
    with tempfile.TemporaryDirectory(prefix="hallmark-judges-") as directory:
        try:
            items, revoked, failures = make_items(pathlib.Path(directory), options.programs.absolute())
            failures += controls.examine(judges, pathlib.Path(directory) / "controls", revoked)
            maker = next(item for item in items if MANUFACTURER in item.name)
            failures += controls.examine_manufacturer(judges, pathlib.Path(directory) / "manufacturer", maker,
                                                      pathlib.Path(directory) / MANUFACTURERS_KEY)
            failures += judge_all(judges, items, accepted)
        except Failure as failure:
            print(f"judges: {failure}", file=sys.stderr)
            return 1
    failures += accepted.unused(judges)
    print(f"{len(items)} certificates and CRLs before {len(judges)} judges: {len(failures)} failures")
    for failure in failures:
        print(f"judges: {failure}", file=sys.stderr)
    if failures:
        return 1
    return 0 if len(judges) == ALL_JUDGES else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
