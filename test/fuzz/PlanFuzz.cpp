//===- PlanFuzz.cpp - Precision plans, read, printed and read again ---------------------------===//

#include "Fuzz.h"
#include "nibble/Quantize/PrecisionPlan.h"

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto plan = parsePlan(fuzz::text(data, size), "plan.json");
  if (!plan)
    return 0;
  auto again = parsePlan(printPlan(*plan), "printed.json");
  fuzz::require(again && *again == *plan, "a printed plan reads back as it was");
  const std::string known[] = {"lm_head.weight", "model.layers.0.self_attn.q_proj.weight"};
  (void)checkPlanTensors(*plan, known, "plan.json");
  return 0;
}
