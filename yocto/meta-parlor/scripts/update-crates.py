#!/usr/bin/env python3
"""Writes recipes-parlor/parlor/parlor-crates.inc from the repository's Cargo.lock.

usage: update-crates.py [--check]     --check: write nothing, exit 1 if the file is not up to date

The same as `bitbake -c update_crates parlor`, without a build host.
"""

import sys
import tomllib
from pathlib import Path

LAYER = Path(__file__).resolve().parent.parent
TARGET = LAYER / "recipes-parlor" / "parlor" / "parlor-crates.inc"
LOCK = LAYER.parent.parent / "Cargo.lock"


def crates_inc(lock: dict) -> str:
    crates = [c for c in lock["package"] if "crates.io" in c.get("source", "")]
    others = [c["name"] for c in lock["package"] if c.get("source") and c not in crates]
    if others:
        sys.exit(f"parlor: only crates from crates.io can be listed; not so: {', '.join(others)}")
    names = [f"{c['name']}/{c['version']}" for c in crates]
    sums = [f'SRC_URI[{c["name"]}-{c["version"]}.sha256sum] = "{c["checksum"]}"' for c in crates]
    uris = "".join(f"    crate://crates.io/{name} \\\n" for name in names)
    return (
        "# Made by scripts/update-crates.py from Cargo.lock.\n"
        f'SRC_URI += "\\\n{uris}"\n\n' + "\n".join(sums) + "\n"
    )


def main() -> None:
    wanted = crates_inc(tomllib.loads(LOCK.read_text()))
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text() != wanted:
            sys.exit(f"parlor: {TARGET.name} is not what Cargo.lock says; run {Path(__file__).name}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        TARGET.write_text(wanted)


main()
