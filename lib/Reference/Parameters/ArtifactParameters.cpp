//===- ArtifactParameters.cpp - Weights of an artifact ----------------------------------------===//
#include "nibble/Quantize/Packer.h"
#include "nibble/Reference/Numbers.h"
#include "nibble/Reference/Parameters.h"
#include "nibble/runtime/Artifact.h"

#include <bit>
#include <cstring>

using namespace nibble;
using namespace nibble::reference;

/// Rows as they are, one after the other, of a float format.
static Result<RowBlock> readPlain(std::span<const uint8_t> bytes, RowBlock block) {
  if (!block.format.isFloat())
    return failure("codes lie in panels only");
  size_t count = block.rows * block.columns, width = block.format.element == Element::F32 ? 4 : 2;
  if (bytes.size() / width < count)
    return failure("the artifact has " + std::to_string(bytes.size()) + " bytes of it; expected at least " +
                   std::to_string(count * width));
  block.values.resize(count);
  for (size_t i = 0; i < count; ++i) {
    uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i * width, width);
    if (block.format.element == Element::F16)
      block.values[i] = static_cast<float>(halfValue(static_cast<uint16_t>(word)));
    else
      block.values[i] = std::bit_cast<float>(block.format.element == Element::BF16 ? word << 16 : word);
  }
  return block;
}

static Result<RowBlock> readTensor(const Artifact &artifact, const TensorInfo &tensor,
                                   const ParameterRequest &request) {
  NIBBLE_TRY(Format format, parseFormat(tensor.format));
  // Vectors, which no kernel reads in a format, are stored in f32.
  bool isWidened = format == Format{} && request.source.isFloat() && request.conversions.empty();
  if (format != request.format() && !isWidened)
    return failure("the artifact has it in format " + tensor.format + ", its IR expects " +
                   formatSpelling(request.format()));
  std::span<const std::byte> segment = artifact.segment("weights");
  if (tensor.offset > segment.size() || tensor.size > segment.size() - tensor.offset)
    return failure("its bytes lie outside the segment of weights");
  auto part = segment.subspan(tensor.offset, tensor.size);
  std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t *>(part.data()), part.size());
  if (tensor.layout == "panel") {
    PanelLayout layout{request.rows, request.columns, format};
    NIBBLE_CHECK(layout.check());
    if (static_cast<int64_t>(bytes.size()) < layout.bytes())
      return failure("the artifact has " + std::to_string(bytes.size()) + " bytes of it; expected " +
                     std::to_string(layout.bytes()));
    return unpackPanels(bytes.first(layout.bytes()), layout);
  }
  return readPlain(bytes, RowBlock{format, request.rows, request.columns, {}, {}, {}, {}});
}

ParameterSource nibble::reference::artifactParameters(const Artifact &artifact) {
  return [&artifact](const ParameterRequest &request) -> Result<RowBlock> {
    for (const TensorInfo &tensor : artifact.manifest().tensors) {
      if (tensor.name != request.name)
        continue;
      Result<RowBlock> block = readTensor(artifact, tensor, request);
      if (!block)
        return failure(artifact.path() + ": weight '" + request.name + "': " + block.error().message);
      return block;
    }
    return failure(artifact.path() + ": its IR has the weight '" + request.name + "', its manifest does not");
  };
}
