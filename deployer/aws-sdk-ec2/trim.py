#!/usr/bin/env python3
"""Makes the copy of aws-sdk-ec2 that is built: the operations of `operations.txt`, and what they need.

    trim.py             writes Cargo.toml, LICENSE and src/ beside this file
    trim.py --check     says what differs from what it would write; exit code 1 if anything does

What it reads is the crate of the version below, which cargo fetches. Nothing is rewritten: files and items that no kept
operation reaches are left out, and comments.
"""
import filecmp
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

VERSION = "1.274.0"
HERE = pathlib.Path(__file__).parent
# Files that only list or serve others: an item of theirs stays where all that it names stays.
LISTS = ["client.rs", "error_meta.rs", "lens.rs", "operation.rs", "protocol_serde.rs", "serde_util.rs", "types.rs", "types/builders.rs"]


def source():
    """Where cargo has unpacked the crate."""
    with tempfile.TemporaryDirectory() as project:
        # An empty project that only depends on it.
        manifest = pathlib.Path(project) / "Cargo.toml"
        manifest.write_text(f'[package]\nname = "asks"\nedition = "2024"\n[dependencies]\naws-sdk-ec2 = {{ version = "={VERSION}", default-features = false }}\n')
        (pathlib.Path(project) / "src").mkdir()
        (pathlib.Path(project) / "src/lib.rs").touch()
        metadata = ["cargo", "metadata", "--quiet", "--format-version", "1", "--manifest-path", manifest]
        packages = json.loads(subprocess.run(metadata, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    return next(pathlib.Path(package["manifest_path"]).parent for package in packages if package["name"] == "aws-sdk-ec2")


def without_comments(text):
    """The text without lines that are comments, and with no more than one empty line at a time."""
    lines = [line for line in text.split("\n") if not re.match(r"\s*//", line) or "Code generated" in line]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def items(text):
    """The top-level items of a file that rustfmt has set: each ends where a line at the margin ends one."""
    item = []
    for line in text.split("\n"):
        item.append(line)
        if re.match(r"(}|\S.*[;}]$)", line) and not line.startswith("#["):
            yield "\n".join(item) + "\n"
            item = []
    yield "\n".join(item)


class Crate:
    """The files of the crate, and where its types stand."""

    def __init__(self, root):
        self.root = root
        self.types = {}
        for name in ["types.rs", "types/builders.rs"]:
            for file, type_name in re.findall(r"pub use crate::types::(_\w+)::(\w+);", self.text(name)):
                self.types[type_name] = f"types/{file}.rs"

    def text(self, name):
        return without_comments((self.root / name).read_text())

    def needs(self, text):
        """The files which a piece of code names."""
        for name in re.findall(r"crate::types::(?:builders::)?(\w+)", text):
            if name in self.types:
                yield self.types[name]
            elif name.startswith("_"):
                yield f"types/{name}.rs"
        for name in re.findall(r"crate::protocol_serde::(shape_\w+)", text):
            yield f"protocol_serde/{name}.rs"
        for name in re.findall(r"crate::operation::(\w+)::", text):
            yield f"operation/{name}.rs"
        for name in re.findall(r"crate::waiters::(\w+)", text):
            yield f"waiters/{name}.rs"

    def modules(self, name, text):
        """The files of the modules which a file declares."""
        folder = "" if name == "lib.rs" else name.removesuffix(".rs") + "/"
        for module in re.findall(r"(?:^|\n) *(?:pub(?:\(crate\))? )?mod (\w+);", text):
            yield f"{folder}{module}.rs"

    def kept(self, operations):
        """The text of every file that stays."""
        todo = ["lib.rs", "client/customize.rs", "types/builders.rs"]
        for operation in operations:
            todo += [f"operation/{operation}.rs", f"client/{operation}.rs"]
        done = {}
        while todo:
            name = todo.pop()
            if name in done or name == "waiters.rs":
                continue
            done[name] = text = self.text(name)
            if name not in LISTS:
                todo += [*self.modules(name, text), *self.needs(text), *self.helpers(text)]
        for name in ["lib.rs", *LISTS]:
            done[name] = "".join(item for item in items(done[name]) if self.stays(name, item, done))
        return done

    def helpers(self, text):
        """The files which the helpers in serde_util.rs need that a piece of code calls."""
        for name in re.findall(r"crate::serde_util::(\w+)", text):
            for item in items(self.text("serde_util.rs")):
                if f"fn {name}(" in item:
                    yield from self.needs(item)

    def stays(self, name, item, done):
        """Whether an item of a list stays."""
        if name == "client.rs" and "Waiters" in item:
            return False
        wanted = [*self.needs(item), *self.modules(name, item)]
        return all(file in done for file in wanted)


def write(original, target):
    """Writes the copy into a folder."""
    for name, text in Crate(original / "src").kept((HERE / "operations.txt").read_text().split()).items():
        file = target / "src" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name == "lib.rs":
            # A copy inside a checkout is linted as our own code, which it is not.
            text = "#![allow(warnings, clippy::all, clippy::pedantic)]\n" + text.replace("#![warn(missing_docs)]\n", "")
        file.write_text(text)
    manifest = (original / "Cargo.toml").read_text()
    # A hint for a cargo of tomorrow, of which today's warns.
    manifest = manifest.replace("\n[hints]\nmostly-unused = true\n", "")
    # Its own tests stay behind, and what only they need.
    manifest = re.sub(r"\n\[\[test\]\]\n[^\[]*", "\n", manifest)
    manifest = re.sub(r"\n\[dev-dependencies\.[^\]]*\]\n(?:[^\[]|\[\n|\[\")*?(?=\n\[|\Z)", "\n", manifest)
    (target / "Cargo.toml").write_text(re.sub(r"\n{3,}", "\n\n", manifest).rstrip() + "\n")
    shutil.copy(original / "LICENSE", target)


def differences(here, there, name="."):
    """What is in one of two folders and not the same in the other."""
    found = filecmp.dircmp(here / name, there / name, ignore=["README.md", "operations.txt", "trim.py"])
    for other in found.left_only + found.right_only + found.diff_files:
        yield f"{name}/{other}"
    for folder in found.common_dirs:
        yield from differences(here, there, f"{name}/{folder}")


if sys.argv[1:] == ["--check"]:
    with tempfile.TemporaryDirectory() as scratch:
        write(source(), pathlib.Path(scratch))
        found = list(differences(HERE, pathlib.Path(scratch)))
    print("\n".join(found))
    sys.exit(bool(found))
original = source()
shutil.rmtree(HERE / "src", ignore_errors=True)
write(original, HERE)
