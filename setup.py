"""Packaging: `pip install .` gives the commands `framework` and `framework-executor`.

pymesos needs the distribution `http-parser`, whose last release does not compile on Python 3.11 or later.
The distribution of the same name in framework/compat/http-parser takes its place, on top of h11; naming it
by path here is what lets a plain `pip install .` find it.  docs/decisions.md (1) has the reasons.
"""

from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).resolve().parent
HTTP_PARSER = (HERE / "framework" / "compat" / "http-parser").as_uri()

setup(
    name="mesos-framework",
    version="0.1.0",
    description="A native Apache Mesos framework that runs stacks of labeled groups of Docker containers",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_namespace_packages(
        include=["framework*", "executor*", "placement*", "discovery*", "specs*"], exclude=["framework.compat*"]
    ),
    package_data={
        "specs": ["*.proto", "*.json", "examples/*.yml", "py.typed"],
        "framework": ["local/*.cpp", "local/programs/*.sh", "py.typed"],
        "executor": ["py.typed"],
        "placement": ["py.typed"],
        "discovery": ["py.typed"],
    },
    install_requires=[
        f"http-parser @ {HTTP_PARSER}",
        "pymesos==0.3.15",
        "kazoo>=2.11,<3",
        "dnspython>=2.8,<3",
        "addict>=2.4,<3",
        "protobuf>=7.35.1,<8",
        "pyyaml>=6.0,<7",
        "google-re2>=1.1.20240702,<2",
        "click>=8.5,<9",
        "rich>=15,<16",
        "requests>=2.34,<3",
        "cryptography>=46,<60",
        "docker>=7.2,<8",
        "jinja2>=3.1.6,<4",
        "fastapi>=0.165,<1",
        "uvicorn>=0.54,<1",
        "orjson>=3.13,<4",
        "httpx>=0.28,<0.29",
        "prometheus-client>=0.26,<1",
    ],
    extras_require={
        "dev": [
            "pytest>=8.3,<10",
            "pytest-xdist>=3.6,<4",
            "hypothesis>=6.100,<7",
            "jsonschema>=4.20,<5",
            "ruff==0.17.5",
            "mypy==2.4.1",
            "grpcio-tools==1.85.1",
            "types-PyYAML",
            "types-requests",
            "types-protobuf",
        ]
    },
    entry_points={
        "console_scripts": [
            "framework=framework.cli.main:main",
            "framework-executor=executor.__main__:main",
        ]
    },
)
