//===- NpyFuzz.cpp - Stored logits, as eval --against reads them ------------------------------===//

#include "Fuzz.h"
#include "nibble/runtime/Npy.h"

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static fuzz::MemoryFile file;
  file.set({data, size});
  auto matrix = NpyMatrix::open(file.path());
  if (!matrix || matrix->rows() == 0)
    return 0;
  float sum = 0;
  for (float value : matrix->row(0))
    sum += value;
  for (float value : matrix->row(matrix->rows() - 1))
    sum += value;
  fuzz::require(sum == sum || sum != sum, "both rows can be read");
  return 0;
}
