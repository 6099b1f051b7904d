"""placeholder"""

from lightning_modules.vipriors.module import Vipriors

__all__ = ["Vipriors"]
