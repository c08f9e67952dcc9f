"""What ends the way to PyTorch for the GPU."""

from s3d_core.errors import S3DError


class GpuTorchError(S3DError):
    """PyTorch for the GPU cannot be had, or does not work, here and now."""
