//===- GGUFTypes.cpp - Sizes and names of GGUF's types ----------------------------------------===//

#include "GGUFTypes.h"
#include <algorithm>

using namespace nibble;

// Sorted by type; sizes from reference/FORMATS.md 11.2, where they were verified against the gguf package.
static constexpr GGUFTensorTypeInfo tensorTypes[] = {
    {GGUFTensorType::F32, "F32", 1, 4},
    {GGUFTensorType::F16, "F16", 1, 2},
    {GGUFTensorType::Q4_0, "Q4_0", 32, 18},
    {GGUFTensorType::Q4_1, "Q4_1", 32, 20},
    {GGUFTensorType::Q5_0, "Q5_0", 32, 22},
    {GGUFTensorType::Q5_1, "Q5_1", 32, 24},
    {GGUFTensorType::Q8_0, "Q8_0", 32, 34},
    {GGUFTensorType::Q8_1, "Q8_1", 32, 36},
    {GGUFTensorType::Q2_K, "Q2_K", 256, 84},
    {GGUFTensorType::Q3_K, "Q3_K", 256, 110},
    {GGUFTensorType::Q4_K, "Q4_K", 256, 144},
    {GGUFTensorType::Q5_K, "Q5_K", 256, 176},
    {GGUFTensorType::Q6_K, "Q6_K", 256, 210},
    {GGUFTensorType::Q8_K, "Q8_K", 256, 292},
    {GGUFTensorType::IQ2_XXS, "IQ2_XXS", 256, 66},
    {GGUFTensorType::IQ2_XS, "IQ2_XS", 256, 74},
    {GGUFTensorType::IQ3_XXS, "IQ3_XXS", 256, 98},
    {GGUFTensorType::IQ1_S, "IQ1_S", 256, 50},
    {GGUFTensorType::IQ4_NL, "IQ4_NL", 32, 18},
    {GGUFTensorType::IQ3_S, "IQ3_S", 256, 110},
    {GGUFTensorType::IQ2_S, "IQ2_S", 256, 82},
    {GGUFTensorType::IQ4_XS, "IQ4_XS", 256, 136},
    {GGUFTensorType::I8, "I8", 1, 1},
    {GGUFTensorType::I16, "I16", 1, 2},
    {GGUFTensorType::I32, "I32", 1, 4},
    {GGUFTensorType::I64, "I64", 1, 8},
    {GGUFTensorType::F64, "F64", 1, 8},
    {GGUFTensorType::IQ1_M, "IQ1_M", 256, 56},
    {GGUFTensorType::BF16, "BF16", 1, 2},
    {GGUFTensorType::TQ1_0, "TQ1_0", 256, 54},
    {GGUFTensorType::TQ2_0, "TQ2_0", 256, 66},
    {GGUFTensorType::MXFP4, "MXFP4", 32, 17},
    {GGUFTensorType::NVFP4, "NVFP4", 64, 36},
};

const GGUFTensorTypeInfo *nibble::ggufTensorTypeInfo(uint32_t type) {
  const auto *found = std::ranges::lower_bound(
      tensorTypes, type, {}, [](const GGUFTensorTypeInfo &info) { return static_cast<uint32_t>(info.type); });
  bool known = found != std::end(tensorTypes) && static_cast<uint32_t>(found->type) == type;
  return known ? found : nullptr;
}

size_t gguf::scalarBytes(GGUFValueType type) {
  switch (type) {
  case GGUFValueType::UInt8:
  case GGUFValueType::Int8:
  case GGUFValueType::Bool:
    return 1;
  case GGUFValueType::UInt16:
  case GGUFValueType::Int16:
    return 2;
  case GGUFValueType::UInt32:
  case GGUFValueType::Int32:
  case GGUFValueType::Float32:
    return 4;
  case GGUFValueType::UInt64:
  case GGUFValueType::Int64:
  case GGUFValueType::Float64:
    return 8;
  case GGUFValueType::String:
  case GGUFValueType::Array:
    break;
  }
  return 0;
}

const char *gguf::typeName(GGUFValueType type) {
  static constexpr const char *names[] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                          "int32",  "float32", "bool",   "string", "array",
                                          "uint64", "int64",   "float64"};
  auto index = static_cast<uint32_t>(type);
  return index < std::size(names) ? names[index] : "unknown";
}

std::string gguf::quoted(std::string_view text) {
  constexpr size_t longest = 96;
  std::string result = "'";
  for (char c : text.substr(0, longest))
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  result += text.size() > longest ? "…'" : "'";
  return result;
}
