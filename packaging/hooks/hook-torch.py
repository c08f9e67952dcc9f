"""torch without its headers, tests and programs; used in the place of PyInstaller's own hook, which takes all."""

import re
from pathlib import Path

from PyInstaller.utils.hooks import (
    PY_DYLIB_PATTERNS,
    collect_data_files,
    collect_dynamic_libs,
    collect_submodules,
    get_module_file_attribute,
)

LEFT_OUT = re.compile(
    r"torch\.(testing\._internal|utils\.(tensorboard|benchmark|cpp_extension|bottleneck|model_dump)|test|bin|include)\b"
)

# While it is imported, torch reads the source of some of its own functions and of all its lists of settings.
module_collection_mode = "pyz+py"
warn_on_missing_hiddenimports = False
# The program by which torch shares memory between processes; torch does not start where it is missing.
manager = Path(get_module_file_attribute("torch")).parent / "bin" / "torch_shm_manager"
datas = collect_data_files("torch", includes=["**/*.json", "**/*.yaml", "**/*.typed"])
hiddenimports = collect_submodules("torch", filter=lambda name: not LEFT_OUT.match(name), on_error="ignore")
binaries = collect_dynamic_libs("torch", search_patterns=[*PY_DYLIB_PATTERNS, "*.so.*"])
binaries += [(str(manager), "torch/bin")] if manager.exists() else []
# torch looks for its libraries beside the first one that it finds, so that one must not be a link from elsewhere.
bindepend_symlink_suppression = ["**/torch/lib/*.so*"]
