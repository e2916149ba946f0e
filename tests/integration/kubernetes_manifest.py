#!/usr/bin/env python3
"""The manifest of the Indexed Job against the schema of Kubernetes, and its command line against the program.

  kubernetes_manifest.py ZIPNN
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

MANIFEST = pathlib.Path(__file__).parent.parent.parent / "integrations/batch/kubernetes.yaml"


def main(zipnn: str) -> None:
    job = yaml.safe_load(MANIFEST.read_text())
    versions = [kubernetes_validate.latest_version(), "1.31"]
    for version in versions:
        kubernetes_validate.validate(job, version, strict=True)
    broken = yaml.safe_load(MANIFEST.read_text())
    broken["spec"]["completionMod"] = broken["spec"].pop("completionMode")
    try:
        kubernetes_validate.validate(broken, versions[0], strict=True)
    except kubernetes_validate.ValidationError:
        pass
    else:
        raise AssertionError("the schema takes what it should not")

    # Its arguments, as a pod gets them, on folders of this machine.
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    with tempfile.TemporaryDirectory() as place:
        models, archives = f"{place}/models", f"{place}/archives"
        os.makedirs(models)
        os.makedirs(archives)
        for i in range(20):
            pathlib.Path(models, f"w{i}").write_bytes(bytes([i]) * (1000 + i))
        pathlib.Path(models, "list0").write_text("".join(f"w{i}\0" for i in range(20)))
        for index in range(job["spec"]["completions"]):
            words = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in args]
            words = [word.replace("/models", models).replace("/archives", archives) for word in words]
            subprocess.run([zipnn, *words[1:]], check=True, env={**os.environ, "JOB_COMPLETION_INDEX": str(index)})
        made = list(pathlib.Path(archives, "out").iterdir())
        assert len(made) == 20, made
        manifests = map(str, pathlib.Path(archives).glob("out.*.jsonl"))
        subprocess.run([zipnn, "audit", "--output-dir", f"{archives}/out", *manifests], check=True)
    print(f"kubernetes: {MANIFEST.name} is what {' and '.join(versions)} expect, and its command does the whole list")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
