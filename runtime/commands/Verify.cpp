//===- Verify.cpp - The verb that checks every hash -------------------------------------------===//

#include "runtime/commands/Verb.h"
#include "runtime/memory/AnonymousMemory.h"
#include <cstdio>

using namespace nibble;

static Result<int> runVerify(const std::string &path, bool json) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_CHECK(artifact.verify([&](const SegmentInfo &segment) {
    std::fprintf(stderr, "checking %s%s%s (%s)\n", segment.name.c_str(), segment.target.empty() ? "" : " ",
                 segment.target.c_str(), formatBytes(segment.size).c_str());
  }));
  if (json)
    std::puts("{\"intact\": true}");
  else
    std::printf("%s: intact, all %zu segments match their hashes\n", path.c_str(),
                artifact.manifest().segments.size());
  return kExitDone;
}

void nibble::addVerifyVerb(CLI::App &app, Choice &choice) {
  auto json = std::make_shared<bool>(false);
  CLI::App *verb = addVerb(app, choice, "verify", "Checks the hashes of all segments", {"verify"});
  verb->add_flag("--json", *json, "Print the result as JSON");
  verb->callback(
      [&choice, json] { choice.action = [&choice, json] { return runVerify(choice.artifactPath, *json); }; });
}
