"""From a build's name to the wheels that make it: PyTorch itself and NVIDIA's libraries, each with its digest.

This is no general resolver: PyTorch names its libraries with exact versions, and everything else that it needs is in
the program already.
"""

import io
import zipfile
from email.parser import HeaderParser
from typing import Any

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from app.gpu_torch import index as simple
from app.gpu_torch.builds import Build, Table
from app.gpu_torch.errors import GpuTorchError
from app.gpu_torch.index import Wheel

# What is taken along of all that PyTorch asks for.
_LIBRARIES = ("nvidia-", "cuda-", "triton")
# A wheel as small as this holds nothing but a list of others, and can be read as a whole to see it.
_SMALL = 2_000_000
_MOST_WHEELS = 60


def resolve(web: Any, table: Table, build: Build) -> list[Wheel]:
    """The wheels of a build for this Python and system, with digests and sizes; PyTorch's own comes first.

    Raises:
        GpuTorchError: the index lacks one, or tells no digest. TransientError: it cannot answer now.
    """
    index = f"{table.index}/{build.name}"
    wanted = [Requirement(f"torch=={table.torch}+{build.name}")]
    found: dict[str, Wheel] = {}
    seen: set[str] = set()
    while wanted:
        requirement = wanted.pop(0)
        name = canonicalize_name(requirement.name)
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key in seen:
            continue
        seen.add(key)
        wheel = found.get(name) or _best(web, index, requirement)
        found[name] = wheel
        if len(found) > _MOST_WHEELS:
            raise GpuTorchError(f"{simple.host(index)} lists too many files for PyTorch; try again later.")
        wanted += _libraries(_metadata(web, wheel, needed=name == "torch"), requirement.extras)
    return list(found.values())


def _best(web: Any, index: str, requirement: Requirement) -> Wheel:
    """The newest wheel that a requirement allows and that this system can use."""
    order = {tag: place for place, tag in enumerate(sys_tags())}
    fitting: list[tuple[Version, int, Wheel]] = []
    for wheel in simple.wheels(web, index, canonicalize_name(requirement.name)):
        try:
            _, version, _, tags = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            continue
        places = [order[tag] for tag in tags if tag in order]
        if places and requirement.specifier.contains(version, prereleases=False):
            fitting.append((version, -min(places), wheel))
    if not fitting:
        raise GpuTorchError(f"{simple.host(index)} has no {requirement} for this system and Python.")
    wheel = max(fitting, key=lambda entry: entry[:2])[2]
    if not wheel.sha256:
        raise GpuTorchError(f"{simple.host(index)} tells no digest of {wheel.name}, so it is not fetched; try later.")
    simple.check_address(wheel.address)
    size = wheel.bytes or simple.size(web, wheel.address)
    return Wheel(wheel.name, wheel.address, wheel.sha256, size, wheel.metadata, wheel.metadata_sha256)


def _metadata(web: Any, wheel: Wheel, needed: bool) -> str:
    if wheel.metadata:
        return simple.checked_document(web, wheel.metadata, wheel.metadata_sha256)
    if wheel.bytes <= _SMALL:
        body, _, _ = simple.read(web, wheel.address)
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
                return archive.read(name).decode("utf-8", "replace")
        except (zipfile.BadZipFile, StopIteration) as error:
            raise GpuTorchError(f"{wheel.name} is not a Python package; try again later.") from error
    if needed:
        raise GpuTorchError(f"{simple.host(wheel.address)} does not tell what {wheel.name} needs; try again later.")
    # A library that stands in PyTorch's own list, as all that it needs does.
    return ""


def _libraries(metadata: str, extras: set[str]) -> list[Requirement]:
    """Of what a package asks for, NVIDIA's libraries."""
    found = []
    for line in HeaderParser().parsestr(metadata).get_all("Requires-Dist") or []:
        try:
            requirement = Requirement(line)
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})
            )
        except (InvalidRequirement, UndefinedEnvironmentName):
            continue
        if applies and canonicalize_name(requirement.name).startswith(_LIBRARIES):
            found.append(requirement)
    return found
