//===- GGUFFile.cpp - Validation of a GGUF file -----------------------------------------------===//
//
// One pass with a cursor that never leaves the file: header, key-value pairs, tensor infos, then the data
// section that they point into. A count is believed only once the bytes that it needs are known to be there,
// so that a damaged file cannot make us allocate.
//
//===------------------------------------------------------------------------------------------===//

#include "GGUFTypes.h"
#include <bit>

using namespace nibble;
using namespace nibble::gguf;

// The smallest that one entry can be in the file.
static constexpr uint64_t smallestPair = 8 + 4 + 1; // key length, type, a one-byte value
static constexpr uint64_t smallestTensor =
    8 + 4 + 8 + 4 + 8; // name length, rank, one dimension, type, offset
static constexpr uint32_t highestRank = 4;
static constexpr uint64_t largestAlignment = 1 << 20; // bytes; files in the field have 32

namespace {

/// A position in the file; `take` fails before it would step over the end.
struct Cursor {
  std::span<const std::byte> bytes;
  size_t position = 0;
  const std::string &file;

  size_t left() const { return bytes.size() - position; }

  Result<std::span<const std::byte>> take(uint64_t size, const std::string &what) {
    if (size > left())
      return failure(file + ": truncated or damaged: " + what + " needs " + std::to_string(size) +
                     " bytes at offset " + std::to_string(position) + ", the file has " +
                     std::to_string(left()) + " left; fetch the file again");
    auto taken = bytes.subspan(position, size);
    position += size;
    return taken;
  }

  template <typename T> Result<T> number(const std::string &what) {
    NIBBLE_TRY(auto taken, take(sizeof(T), what));
    return load<T>(taken.data());
  }

  Result<std::string_view> string(const std::string &what) {
    NIBBLE_TRY(auto length, number<uint64_t>("the length of " + what));
    NIBBLE_TRY(auto taken, take(length, what));
    return std::string_view(reinterpret_cast<const char *>(taken.data()), taken.size());
  }
};

} // namespace

/// Steps over `count` elements of `type` and gives their bytes.
static Result<std::span<const std::byte>> takeElements(Cursor &cursor, GGUFValueType type, uint64_t count,
                                                       const std::string &what) {
  size_t begin = cursor.position;
  if (type == GGUFValueType::String) {
    if (count > cursor.left() / sizeof(uint64_t))
      return failure(cursor.file + ": truncated or damaged: " + what + " claims " + std::to_string(count) +
                     " strings, more than the rest of the file can hold");
    for (uint64_t i = 0; i < count; ++i)
      NIBBLE_CHECK(cursor.string(what));
    return cursor.bytes.subspan(begin, cursor.position - begin);
  }
  size_t each = scalarBytes(type);
  if (each == 0)
    return failure(cursor.file + ": " + what + " has the value type " +
                   std::to_string(static_cast<uint32_t>(type)) +
                   (type == GGUFValueType::Array ? " (an array of arrays)" : "") +
                   "; expected a number, a bool, a string or an array of these");
  if (count > cursor.left() / each)
    return failure(cursor.file + ": truncated or damaged: " + what + " claims " + std::to_string(count) +
                   " values, more than the rest of the file can hold");
  return cursor.take(count * each, what);
}

static Result<GGUFValue> takeValue(Cursor &cursor, const std::string &what) {
  NIBBLE_TRY(auto rawType, cursor.number<uint32_t>("the type of " + what));
  auto type = static_cast<GGUFValueType>(rawType);
  GGUFValue value{type, type, 1, {}};
  if (type == GGUFValueType::Array) {
    NIBBLE_TRY(auto elementType, cursor.number<uint32_t>("the element type of " + what));
    NIBBLE_TRY(value.count, cursor.number<uint64_t>("the number of elements of " + what));
    value.elementType = static_cast<GGUFValueType>(elementType);
  }
  NIBBLE_TRY(value.bytes, takeElements(cursor, value.elementType, value.count, what));
  return value;
}

static Result<uint32_t> takeHeader(Cursor &cursor) {
  NIBBLE_TRY(auto magic, cursor.take(4, "the magic number"));
  if (std::memcmp(magic.data(), "GGUF", 4) != 0)
    return failure(cursor.file + ": is not a GGUF file (it does not begin with \"GGUF\")");
  NIBBLE_TRY(auto version, cursor.number<uint32_t>("the version"));
  if (version == 2 || version == 3)
    return version;
  uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3)
    return failure(cursor.file + ": is a big-endian GGUF file; convert it to little-endian "
                                 "(gguf-convert-endian of the gguf package does)");
  return failure(cursor.file + ": has GGUF version " + std::to_string(version) +
                 "; versions 2 and 3 are understood");
}

/// A tensor's description; `offset` is relative to the data section, whose place is known only after all of
/// them.
static Result<GGUFTensor> takeTensor(Cursor &cursor, uint64_t &offset) {
  NIBBLE_TRY(auto name, cursor.string("a tensor's name"));
  std::string what = "tensor " + quoted(name);
  NIBBLE_TRY(auto rank, cursor.number<uint32_t>("the rank of " + what));
  if (rank < 1 || rank > highestRank)
    return failure(cursor.file + ": " + what + " has " + std::to_string(rank) +
                   " dimensions; expected 1 to 4");
  GGUFTensor tensor{name, {}, GGUFTensorType::F32, 1, {}};
  for (uint32_t i = 0; i < rank; ++i) {
    NIBBLE_TRY(auto extent, cursor.number<uint64_t>("the shape of " + what));
    if (extent == 0)
      return failure(cursor.file + ": " + what + " has a dimension of 0");
    if (__builtin_mul_overflow(tensor.elements, extent, &tensor.elements))
      return failure(cursor.file + ": " + what + " claims more elements than 64 bits can count");
    tensor.shape.push_back(extent);
  }
  NIBBLE_TRY(auto type, cursor.number<uint32_t>("the type of " + what));
  const GGUFTensorTypeInfo *info = ggufTensorTypeInfo(type);
  if (!info)
    return failure(cursor.file + ": " + what + " has the type number " + std::to_string(type) +
                   ", which is unknown; types 0 to 40 of ggml are understood");
  tensor.type = info->type;
  if (tensor.shape[0] % info->blockElements != 0)
    return failure(cursor.file + ": " + what + " of type " + info->name + " has rows of " +
                   std::to_string(tensor.shape[0]) + " elements; expected a multiple of " +
                   std::to_string(info->blockElements));
  NIBBLE_TRY(offset, cursor.number<uint64_t>("the offset of " + what));
  return tensor;
}

/// Points `tensor` at its bytes inside `section`.
static Result<void> place(GGUFTensor &tensor, uint64_t offset, std::span<const std::byte> section,
                          uint64_t alignment, const std::string &file) {
  const GGUFTensorTypeInfo &info = *ggufTensorTypeInfo(static_cast<uint32_t>(tensor.type));
  std::string what = file + ": tensor " + quoted(tensor.name);
  uint64_t size;
  if (__builtin_mul_overflow(tensor.elements / info.blockElements, uint64_t(info.blockBytes), &size))
    return failure(what + " claims more bytes than 64 bits can count");
  if (offset % alignment != 0)
    return failure(what + " begins at " + std::to_string(offset) +
                   " of the data section; expected a multiple of " + std::to_string(alignment));
  if (offset > section.size() || size > section.size() - offset)
    return failure(what + " needs " + std::to_string(size) + " bytes at " + std::to_string(offset) +
                   " of the data section, which has " + std::to_string(section.size()) +
                   "; the file is truncated or damaged, fetch it again");
  tensor.data = section.subspan(offset, size);
  return {};
}

Result<void> GGUFFile::read(std::span<const std::byte> bytes) {
  Cursor cursor{bytes, 0, name};
  NIBBLE_TRY(fileVersion, takeHeader(cursor));
  NIBBLE_TRY(auto tensorCount, cursor.number<uint64_t>("the number of tensors"));
  NIBBLE_TRY(auto pairCount, cursor.number<uint64_t>("the number of metadata keys"));
  if (tensorCount > cursor.left() / smallestTensor || pairCount > cursor.left() / smallestPair)
    return failure(name + ": truncated or damaged: the header claims " + std::to_string(tensorCount) +
                   " tensors and " + std::to_string(pairCount) + " metadata keys, more than " +
                   std::to_string(bytes.size()) + " bytes can hold");

  keyOrder.reserve(pairCount);
  for (uint64_t i = 0; i < pairCount; ++i) {
    NIBBLE_TRY(auto key, cursor.string("a metadata key"));
    NIBBLE_TRY(auto value, takeValue(cursor, "metadata key " + quoted(key)));
    if (!values.emplace(key, value).second)
      return failure(name + ": metadata key " + quoted(key) + " is there twice");
    keyOrder.push_back(key);
  }
  NIBBLE_TRY(auto alignment, integerOr("general.alignment", 32));
  if (alignment < 1 || uint64_t(alignment) > largestAlignment || !std::has_single_bit(uint64_t(alignment)))
    return failure(name + ": general.alignment is " + std::to_string(alignment) +
                   "; expected a power of two of at most " + std::to_string(largestAlignment));

  std::vector<uint64_t> offsets(tensorCount); // bytes from the start of the data section
  tensorList.reserve(tensorCount);
  for (uint64_t &offset : offsets) {
    NIBBLE_TRY(auto tensor, takeTensor(cursor, offset));
    if (!tensorIndex.emplace(tensor.name, tensorList.size()).second)
      return failure(name + ": tensor " + quoted(tensor.name) + " is there twice");
    tensorList.push_back(std::move(tensor));
  }
  uint64_t padding = (alignment - cursor.position % alignment) % alignment;
  auto section = bytes.subspan(cursor.position + std::min<uint64_t>(padding, cursor.left()));
  for (size_t i = 0; i < tensorList.size(); ++i)
    NIBBLE_CHECK(place(tensorList[i], offsets[i], section, alignment, name));
  return {};
}

Result<GGUFFile> GGUFFile::open(const std::string &path) {
  NIBBLE_TRY(auto mapped, MappedFile::open(path));
  NIBBLE_TRY(auto file, parse(mapped.bytes(), path));
  file.mapping = std::move(mapped);
  return file;
}

Result<GGUFFile> GGUFFile::parse(std::span<const std::byte> bytes, std::string name) {
  GGUFFile file;
  file.name = std::move(name);
  NIBBLE_CHECK(file.read(bytes));
  return file;
}
