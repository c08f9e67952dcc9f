"""What stays out of the bundle, and why: everything here is something that the program never loads."""

from fnmatch import fnmatch

# Modules that something names in passing. Each is used by tests, tools, or for tasks that are not ours.
MODULES = [
    *("scipy", "networkx", "sklearn", "pandas", "matplotlib", "torchvision", "torchaudio", "tensorboard"),
    *("pytest", "_pytest", "pytestqt", "xdist", "execnet", "hypothesis", "mypy", "ruff"),
    *("pip", "setuptools", "_distutils_hack", "wheel"),
    *("PyInstaller", "IPython", "tkinter", "_tkinter", "rich", "typer", "hf_xet", "pygments.formatters.img"),
    # Pillow draws the picture of a sweep, as PNG.
    *("PIL._avif", "PIL._webp", "PIL._imagingcms", "PIL._imagingtk", "PIL.ImageQt", "PIL.ImageTk", "PIL.ImageCms"),
    *("torch.testing._internal.common_utils", "torch.testing._internal.common_methods_invocations"),
    *("torch.testing._internal.common_distributed", "torch.testing._internal.opinfo", "torch.utils.tensorboard"),
    *("torch.utils.benchmark", "torch.utils.cpp_extension"),
    *("lib2to3", "pydoc_data", "idlelib", "ensurepip", "triton", "nvidia", "bitsandbytes"),
]

# The families that can be run, what `Auto…` classes and the reader of GGUF files import by themselves, and the
# tokenizers that such models name.
MODEL_FAMILIES = {
    *("auto", "encoder_decoder", "llama", "mistral", "phi3", "qwen2", "qwen3", "smollm3"),
    *("gpt2", "code_llama", "phi", "t5", "gemma", "gpt_neox", "cohere", "qwen3_5"),
}
# Of transformers itself.
TOOLS = {"cli", "commands", "exporters", "testing_utils"}

# Files by their place in the bundle.
FILES = [
    # torch: programs, headers, and libraries of its own tests.
    *("torch/bin/*Test", "torch/bin/test_*", "torch/bin/protoc*", "torch/bin/*.ptl", "torch/bin/test/*"),
    *("torch/include/*", "torch/test/*", "torch/share/*", "libcudart*"),
    *("torch/lib/*_test.so", "torch/lib/libaoti_custom_ops.so", "torch/lib/libbackend_with_compiler.so"),
    *("torch/lib/*.lib", "torch/lib/*.a"),
    # Qt: what needs QML, a keyboard on the screen, a screen without a desktop, or GTK's libraries of another system.
    *("*Qt6Quick*", "*Qt6Qml*", "*Qt6VirtualKeyboard*", "*Qt6Pdf*", "*Qt63D*", "*Qt6Designer*", "*Qt6Eglfs*"),
    *("*QtQuick*.framework*", "*QtQml*.framework*", "*QtVirtualKeyboard*.framework*", "*QtPdf*.framework*"),
    *("*/plugins/platforms/libqvnc*", "*/plugins/platforms/libqlinuxfb*", "*/plugins/platforms/libqeglfs*"),
    *("*/plugins/platforms/libqminimal*", "*/plugins/platforms/libqvkkhrdisplay*", "*/plugins/platforms/qdirect2d*"),
    *("*/plugins/platforminputcontexts/*virtualkeyboard*", "*/plugins/egldeviceintegrations/*"),
    *("*/plugins/platformthemes/libqgtk3*", "*/plugins/imageformats/*pdf*", "*/plugins/generic/*"),
    "*/plugins/networkinformation/*",
    *("PySide6/Qt/translations/*", "PySide6/translations/*", "PySide6/Qt/qml/*", "PySide6/qml/*"),
    "*opengl32sw.dll",
    # Pillow: libraries of the kinds of picture that are left out.
    *("pillow.libs/libavif*", "pillow.libs/libwebp*", "pillow.libs/libsharpyuv*", "pillow.libs/liblcms2*"),
    # Libraries that only the left out ones bring along.
    *("libgtk-3*", "libgdk-3*", "libgdk_pixbuf*", "libpango*", "libcairo*", "libatk*", "libatspi*", "libepoxy*"),
]

# Qt's own words, of its buttons and file dialogs, in the languages of `resources/translations`.
KEPT = ["*/translations/qtbase_de.qm"]

# Libraries that come with tables for debuggers, which take 130 MB together. Others must not be touched: numpy's break.
STRIPPED = [
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libtorch_python.so",
    "llvmlite/binding/libllvmlite.so",
    "libpython3*",
]


def other_families(names: list[str]) -> list[str]:
    """Of the model families of transformers, those to leave out, as module names."""
    return [f"transformers.models.{name}" for name in names if name not in MODEL_FAMILIES]


def is_wanted_of_transformers(module: str) -> bool:
    """Whether a module of transformers belongs into the bundle. It finds most of its own by name, late."""
    parts = module.split(".")
    if parts[1:2] == ["models"]:
        return len(parts) < 3 or parts[2] in MODEL_FAMILIES
    return parts[1:2] == [] or parts[1] not in TOOLS


def is_wanted(place: str) -> bool:
    """Whether a file belongs into the bundle, by its place there."""
    place = place.replace("\\", "/")
    parts = place.split("/")
    if parts[:2] == ["transformers", "models"] and len(parts) > 3 and parts[2] not in MODEL_FAMILIES:
        return False
    if any(fnmatch(place, pattern) for pattern in KEPT):
        return True
    return not any(fnmatch(place, pattern) for pattern in FILES)
