"""lit's configuration: FileCheck tests of dialects and passes, which mirror dialects/ and lib/."""
import os

import lit.formats

config.name = "Nibble"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["data", "unit", "Integration"]
config.test_source_root = os.path.dirname(__file__)

config.environment["PATH"] = os.pathsep.join([config.nibble_tools, config.llvm_tools, os.environ["PATH"]])
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
if "NIBBLE_DATA" in os.environ:
    config.environment["NIBBLE_DATA"] = os.environ["NIBBLE_DATA"]
    config.available_features.add("nibble-data")
# Tests check every phase's contract, in optimised builds too.
config.substitutions.append((r"\bnibble-compile (?!--)", "nibble-compile --verify-phase "))
config.substitutions.append(("%data", os.path.join(config.nibble_source, "test", "data")))
