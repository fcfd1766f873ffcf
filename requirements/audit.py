"""Ask the public advisory database about every locked package; fail on a finding that is not answered.

Answers live in ``docs/dependencies.md``: a line holding the advisory's id, with why it does not apply here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ANSWERS = HERE.parent / "docs" / "dependencies.md"


def main() -> int:
    """0 when every finding is answered, 1 when one is not, 2 when the database could not be asked."""
    command = [
        sys.executable, "-m", "pip_audit", "-r", str(HERE / "run.lock"), "--no-deps", "--disable-pip",
        "-f", "json", "--progress-spinner", "off",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        print("The advisory database could not be asked:\n" + done.stderr[-2000:], file=sys.stderr)
        return 2
    skipped = [p["name"] for p in report["dependencies"] if "skip_reason" in p]
    if skipped:
        print(
            f"{len(skipped)} packages are unknown to the advisory database in reach: nothing was audited "
            f"(first: {skipped[0]}). Run `make audit` where the public database answers.",
            file=sys.stderr,
        )
        return 2
    answered = ANSWERS.read_text(encoding="utf-8")
    open_findings = 0
    for package in report["dependencies"]:
        for finding in package.get("vulns", ()):
            ids = [finding["id"], *finding.get("aliases", ())]
            known = any(re.search(rf"\b{re.escape(i)}\b", answered) for i in ids)
            open_findings += not known
            fixed = ", ".join(finding.get("fix_versions", ())) or "no fixed version"
            print(
                f"{'answered' if known else 'OPEN    '} {package['name']} {package['version']}: {ids} ({fixed})"
            )
    print(f"{len(report['dependencies'])} packages asked about; {open_findings} findings without an answer")
    return 1 if open_findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
