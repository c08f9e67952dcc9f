"""S3D Chat: the desktop program and the terminal commands around `s3d_core`."""

__version__ = "0.1.0"
