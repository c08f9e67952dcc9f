"""transformers, which lists its own source files when it is imported, and asks for the versions of what it needs."""

import trim
from PyInstaller.utils.hooks import collect_submodules, copy_metadata

module_collection_mode = "pyz+py"
hiddenimports = collect_submodules("transformers", filter=trim.is_wanted_of_transformers, on_error="ignore")
datas = []
for name in (
    *("accelerate", "filelock", "huggingface-hub", "numpy", "packaging", "pyyaml", "regex", "safetensors"),
    *("tokenizers", "torch", "tqdm", "gguf", "transformers"),
):
    datas += copy_metadata(name)
