#!/usr/bin/env python3
"""Says what is inside of what `make dist` made: an SBOM in CycloneDX's JSON, by the package cyclonedx-python-lib.

    packaging/sbom.py VERSION FOLDER      writes FOLDER/libzipnn-VERSION.cdx.json of all files there

It names the foreign libraries that are compiled in, with version and licence, and each file with its SHA-256.
SOURCE_DATE_EPOCH is its time, and its serial number follows from its content: the same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

HERE = Path(__file__).resolve().parent
# Debian's source packages (sources.txt), and what the compiler brings: the C library of the static programs for Linux,
# and of those for Windows the threads and the start.
LICENCES = {"libzstd": "BSD-3-Clause", "jansson": "MIT", "xxhash": "BSD-2-Clause"}
OF_COMPILER = {"musl": "MIT", "mingw-w64": "ZPL-2.1", "compiler-rt": "Apache-2.0 WITH LLVM-exception"}


def lines(name: str) -> list[list[str]]:
    text = (HERE / name).read_text()
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def library(name: str, licence: str, version: str | None, purl: PackageURL | None, note: str) -> Component:
    return Component(
        name=name,
        type=ComponentType.LIBRARY,
        bom_ref=f"library:{name}",
        version=version,
        purl=purl,
        licenses=[LicenseFactory().make_from_string(licence)],
        description=note,
    )


def libraries() -> list[Component]:
    found = []
    for name, version, _ in lines("sources.txt"):
        purl = PackageURL("deb", "debian", name, version, {"arch": "source", "distro": "debian-12"})
        found.append(library(name, LICENCES[name], version, purl, "compiled in, from Debian's source package"))
    zig = next(word[0].split("==")[1] for word in lines("requirements.txt") if word[0].startswith("ziglang=="))
    for name, licence in OF_COMPILER.items():
        found.append(library(name, licence, None, None, f"compiled in where the target needs it, from ziglang {zig}"))
    return found


def file(path: Path) -> Component:
    digest = HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())
    return Component(name=path.name, type=ComponentType.FILE, bom_ref=f"file:{path.name}", hashes=[digest])


def make(version: str, folder: Path) -> str:
    """Returns the document. It ends this program if that breaks the rules of CycloneDX."""
    bom = Bom()
    purl = PackageURL("pypi", None, "libzipnn", version)
    product = library("libzipnn", "Apache-2.0", version, purl, "Lossless compression of AI model weights")
    parts = libraries()
    files = [file(path) for path in sorted(folder.iterdir()) if path.suffix != ".json"]
    bom.metadata.component = product
    bom.metadata.timestamp = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    for component in [*parts, *files]:
        bom.components.add(component)
    bom.register_dependency(product, parts)
    content = "".join(f"{c.name} {c.version} {[h.content for h in c.hashes]}\n" for c in [*parts, *files])
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"libzipnn {version}\n{content}")
    text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        sys.exit(f"the SBOM is not as CycloneDX 1.6 says: {fault}")
    return text + "\n"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    version, folder = sys.argv[1], Path(sys.argv[2])
    (folder / f"libzipnn-{version}.cdx.json").write_text(make(version, folder))


if __name__ == "__main__":
    main()
