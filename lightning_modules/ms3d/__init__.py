"""MS3D."""

from lightning_modules.ms3d.module import Ms3d

__all__ = ["Ms3d"]
