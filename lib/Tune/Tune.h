//===- Tune.h - nibble-compile --tune -----------------------------------------------*- C++ -*-===//
//
// Measures candidates of the code generator's choices on this machine, for the linears of one model.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Tune/Search.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <nlohmann/json.hpp>

namespace nibble {

struct TuneReport {
  std::string target;
  CPUTuning estimate;
  uint32_t threads = 0;
  SearchResult found;
};

/// The target must run on this machine. `scheduled` stays as it is; errors of code generation are emitted
/// too.
Result<TuneReport> tuneLinears(mlir::ModuleOp scheduled, const CPUTarget &target, uint32_t threads,
                               double seconds, std::function<void(double)> progress);

/// Ends in a newline.
std::string tuneTable(const TuneReport &report);
nlohmann::json tuneJson(const TuneReport &report);

} // namespace nibble
