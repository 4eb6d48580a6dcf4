"""A stand-in for the distribution `http-parser`, which pymesos requires and Python 3.11 cannot compile."""

from setuptools import setup

setup(
    name="http-parser",
    version="0.9.0+h11",
    description="The part of http_parser's interface that pymesos uses, on top of h11",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["http_parser"],
    package_data={"http_parser": ["py.typed"]},
    install_requires=["h11>=0.14,<1"],
)
