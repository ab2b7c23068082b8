"""Stackyard: OpenStack's container cloud in one Python process.

This package promises nothing but its version; the parts are described by the packages below it.
"""

__version__ = "0.1.0"
