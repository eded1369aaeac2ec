//===- Tensor.cpp - Codes, scales and values of a weight as .npy files ------------------------===//
//
// 1. Find the weight: a source of blocks of rows, from the artifact's panels or from the checkpoint. 2. Write
// numpy's header. 3. Stream the blocks.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Inspect/Tensor.h"

#include "lib/Inspect/Names.h"
#include "lib/Inspect/Output.h"
#include "nibble/Quantize/Dequantize.h"
#include "nibble/Quantize/Packer.h"
#include "nibble/runtime/HalfFloat.h"

#include <cstring>
#include <functional>
#include <optional>

using namespace nibble;

static constexpr int64_t kBlockBytes = 4 << 20; // of f32 values

namespace {
/// A weight that can be read in blocks of rows.
struct RowsOfWeight {
  Format format;
  int64_t rows = 0, columns = 0;
  bool isVector = false;
  std::function<Result<RowBlock>(int64_t begin, int64_t end)> read; // begin is a multiple of kPanelRows
};
} // namespace

/// Rows of an artifact's tensor that lie one after the other.
static RowBlock readPlain(const Format &format, int64_t rows, int64_t columns, const uint8_t *bytes) {
  RowBlock block{format, rows, columns, {}, {}, {}, {}};
  size_t count = static_cast<size_t>(rows * columns), width = format.bits() / 8;
  block.values.resize(count);
  for (size_t i = 0; i < count; ++i) {
    uint32_t word = 0;
    std::memcpy(&word, bytes + i * width, width);
    block.values[i] = format.element == Element::F16    ? halfToFloat(static_cast<uint16_t>(word))
                      : format.element == Element::BF16 ? bfloat16ToFloat(static_cast<uint16_t>(word))
                                                        : std::bit_cast<float>(word);
  }
  return block;
}

static Result<RowsOfWeight> rowsOf(const Artifact &artifact, const TensorInfo &tensor) {
  if (tensor.shape.empty() || tensor.shape.size() > 2)
    return failure("has " + std::to_string(tensor.shape.size()) + " dimensions; expected 1 or 2");
  RowsOfWeight weight;
  NIBBLE_TRY(weight.format, parseFormat(tensor.format));
  weight.isVector = tensor.shape.size() == 1;
  weight.rows = weight.isVector ? 1 : static_cast<int64_t>(tensor.shape[0]);
  weight.columns = static_cast<int64_t>(tensor.shape.back());
  // Sizes are checked for overflow with the layout of panels, which is never smaller than the plain one.
  PanelLayout layout{weight.rows, weight.columns, weight.format};
  NIBBLE_CHECK(layout.check());
  bool isPanel = tensor.layout == "panel";
  if (!isPanel && !weight.format.isFloat())
    return failure("has the format " + tensor.format + " and the layout '" + tensor.layout +
                   "'; expected 'panel'");
  uint64_t expected = isPanel
                          ? static_cast<uint64_t>(layout.bytes())
                          : static_cast<uint64_t>(weight.rows * weight.columns) * (weight.format.bits() / 8);
  if (isPanel ? tensor.size != expected : tensor.size < expected)
    return failure("has " + std::to_string(tensor.size) + " bytes; its shape and format need " +
                   std::to_string(expected));
  auto part = artifact.segment("weights").subspan(tensor.offset, tensor.size);
  std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t *>(part.data()), part.size());
  weight.read = [=](int64_t begin, int64_t end) -> Result<RowBlock> {
    if (!isPanel) {
      uint64_t rowBytes = static_cast<uint64_t>(layout.columns) * (layout.format.bits() / 8);
      return readPlain(layout.format, end - begin, layout.columns, bytes.data() + begin * rowBytes);
    }
    int64_t panel = begin / kPanelRows, panels = (end - begin + kPanelRows - 1) / kPanelRows;
    return unpackPanels(bytes.subspan(panel * layout.panelBytes(), panels * layout.panelBytes()), layout,
                        panel);
  };
  return weight;
}

static Result<RowsOfWeight> findRows(const Artifact &artifact, const std::string &name) {
  std::vector<std::string> known;
  for (const TensorInfo &tensor : artifact.manifest().tensors) {
    if (tensor.name == name) {
      Result<RowsOfWeight> weight = rowsOf(artifact, tensor);
      if (!weight)
        return failure(artifact.path() + ": weight '" + name + "' " + weight.error().message);
      return weight;
    }
    known.push_back(tensor.name);
  }
  return failure(artifact.path() + ": has no weight '" + name + "'" + nearestNames(name, known));
}

static Result<RowsOfWeight> findRows(const Checkpoint &checkpoint, const std::string &name) {
  const ParameterStore &parameters = checkpoint.parameters;
  const StoredTensor *tensor = parameters.find(name);
  if (!tensor) {
    std::vector<std::string> known;
    for (const StoredTensor &other : parameters.tensors())
      known.push_back(other.name);
    return failure(checkpoint.path + ": has no weight '" + name + "'" + nearestNames(name, known));
  }
  return RowsOfWeight{
      tensor->format(), tensor->rows(), tensor->columns(), tensor->shape.size() == 1,
      [&parameters, tensor](int64_t begin, int64_t end) { return parameters.readRows(*tensor, begin, end); }};
}

namespace {
/// The array that a part of a weight makes.
struct ArrayShape {
  const char *type; // numpy's descr
  std::vector<int64_t> shape;
};
} // namespace

static Result<ArrayShape> shapeOf(const RowsOfWeight &weight, TensorPart part) {
  int64_t rows = weight.rows;
  if (part == TensorPart::Values)
    return ArrayShape{"<f4",
                      weight.isVector ? std::vector{weight.columns} : std::vector{rows, weight.columns}};
  if (weight.format.isFloat())
    return failure("is stored in " + formatSpelling(weight.format) +
                   ", without codes and scales; ask for --values");
  RowBlock shape{weight.format, 0, weight.columns, {}, {}, {}, {}};
  if (part == TensorPart::Codes)
    return ArrayShape{weight.format.hasSignedCodes() ? "|i1" : "|u1", {rows, weight.columns}};
  if (part == TensorPart::Scales)
    return ArrayShape{"<f2", {rows, shape.groups()}};
  if (weight.format.zero == Zero::None)
    return failure("is stored in " + formatSpelling(weight.format) + ", which has no zeros");
  return ArrayShape{weight.format.zero == Zero::Minimum ? "<f2" : "|u1", {rows, shape.groups()}};
}

/// Magic, version 1.0, and a dictionary that ends, with a newline, at a multiple of 64 bytes
/// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
static void writeHeader(llvm::raw_ostream &stream, const ArrayShape &array) {
  std::string shape;
  for (int64_t dimension : array.shape)
    shape += std::to_string(dimension) + (array.shape.size() == 1 ? "," : shape.empty() ? ", " : "");
  std::string text =
      std::string("{'descr': '") + array.type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  stream << llvm::StringRef("\x93NUMPY\x01\x00", 8) << static_cast<char>(text.size() & 0xff)
         << static_cast<char>(text.size() >> 8) << text;
}

template <typename T> static void writeElements(llvm::raw_ostream &stream, const std::vector<T> &elements) {
  stream.write(reinterpret_cast<const char *>(elements.data()), elements.size() * sizeof(T));
}

static Result<void> writeBlock(llvm::raw_ostream &stream, const RowBlock &block, TensorPart part) {
  if (part == TensorPart::Codes) {
    writeElements(stream, block.codes);
  } else if (part == TensorPart::Scales) {
    writeElements(stream, block.scales);
  } else if (part == TensorPart::Zeros && block.format.zero == Zero::Minimum) {
    writeElements(stream, block.zeros);
  } else if (part == TensorPart::Zeros) {
    writeElements(stream, std::vector<uint8_t>(block.zeros.begin(), block.zeros.end()));
  } else {
    NIBBLE_TRY(RowBlock values, dequantize(block));
    writeElements(stream, values.values);
  }
  return {};
}

Result<void> nibble::writeTensor(const Input &input, const std::string &name, TensorPart part,
                                 const std::string &path) {
  NIBBLE_TRY(RowsOfWeight weight,
             std::visit([&](const auto &opened) { return findRows(opened, name); }, input));
  Result<ArrayShape> array = shapeOf(weight, part);
  if (!array)
    return failure("weight '" + name + "' " + array.error().message);
  int64_t panels =
      std::max<int64_t>(1, kBlockBytes / (4 * kPanelRows * std::max<int64_t>(1, weight.columns)));
  return writeOutput(path, [&](llvm::raw_ostream &stream) -> Result<void> {
    writeHeader(stream, *array);
    for (int64_t begin = 0; begin < weight.rows; begin += panels * kPanelRows) {
      int64_t end = std::min(weight.rows, begin + panels * kPanelRows);
      Result<RowBlock> block = weight.read(begin, end);
      Result<void> written = block ? writeBlock(stream, *block, part) : tl::unexpected(block.error());
      if (!written)
        return failure("weight '" + name + "': " + written.error().message);
    }
    return {};
  });
}
