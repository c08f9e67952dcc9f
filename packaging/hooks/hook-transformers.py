"""transformers, which lists its own source files when it is imported, and asks for the versions of what it needs."""

from PyInstaller.utils.hooks import copy_metadata

module_collection_mode = "pyz+py"
datas = []
for name in (
    *("accelerate", "filelock", "huggingface-hub", "numpy", "packaging", "pyyaml", "regex", "safetensors"),
    *("tokenizers", "torch", "tqdm", "gguf", "transformers"),
):
    datas += copy_metadata(name)
