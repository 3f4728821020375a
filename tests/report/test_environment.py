"""The environment says what ran, and nothing about who and where."""

import getpass
import json
import platform

import torch

from longspan.report import describe_environment


def test_versions_and_hardware_are_told():
    facts = describe_environment(precision="bfloat16")
    assert facts["torch"] == torch.__version__
    assert facts["python"] == platform.python_version()
    assert facts["precision"] == "bfloat16"
    assert int(facts["cores"]) >= 1
    assert facts["processor"]
    assert json.loads(json.dumps(facts)) == facts


def test_no_names_and_no_places():
    facts = describe_environment()
    told = {str(value) for name, value in facts.items() if name != "processor"}  # whose trade name may hold anything
    assert not told & {platform.node(), getpass.getuser()}
    assert not any("/" in each for each in told)
