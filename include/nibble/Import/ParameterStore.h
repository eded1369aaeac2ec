//===- ParameterStore.h - The weights of a checkpoint, by name ----------------------*- C++ -*-===//
//
// Weights never enter the IR: they stay in the mapped checkpoint and leave it in blocks of rows, as they are
// stored. Names and the order of rows are Hugging Face's, whatever the container. Reading is safe from
// several threads.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/RowBlock.h"
#include "nibble/runtime/Result.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nibble {

/// How elements lie in the file. Quantized ones in blocks of 32 along a row (reference/FORMATS 11.3).
enum class StorageType : uint8_t { F32, F16, BF16, Q4_0, Q4_1, Q8_0, IQ4_NL };

/// "F16", "Q4_0": the containers' spelling.
const char *storageName(StorageType type);
/// What a block of rows read from it holds: Q4_0 is int4-g32, Q4_1 int4-g32-min, Q8_0 int8-g32, IQ4_NL
/// iq4-g32.
Format formatOf(StorageType type);
/// Bytes of `elements` elements that lie in one row; `elements` is a multiple of 32 for quantized types.
uint64_t storageBytes(StorageType type, uint64_t elements);

struct StoredTensor {
  std::string name;           // Hugging Face's
  std::vector<int64_t> shape; // [N, K], or [N]
  StorageType storage = StorageType::F32;
  std::span<const std::byte> bytes; // rows one after the other; may be unaligned
  /// The file holds the rows of each head in rotary pairs: row 2i is row i, row 2i + 1 is row i + d / 2 (d
  /// rows a head). This many heads share the N rows; 0: the rows are in order. Reading undoes it: the recipe
  /// step #lowbit.unpermute_rows of an llm.param records what readRows does, and is not carried out a second
  /// time.
  int64_t interleavedHeads = 0;
  bool mapped = false; // `bytes` are of a file's read-only mapping, so that pages may be dropped

  /// A vector is one row.
  int64_t rows() const { return shape.size() > 1 ? shape[0] : 1; }
  int64_t columns() const { return shape.back(); }
  Format format() const { return formatOf(storage); }
  /// The row (or element of a vector) of the file that holds row `index`.
  int64_t storedIndex(int64_t index) const;
};

class ParameterStore {
public:
  /// `owner` keeps the mappings alive that the tensors point into.
  explicit ParameterStore(std::shared_ptr<const void> owner = nullptr) : owner(std::move(owner)) {}

  /// Null if the checkpoint has no such weight. Aliases are found too.
  const StoredTensor *find(std::string_view name) const;
  /// In the order of the model, aliases not among them.
  const std::vector<StoredTensor> &tensors() const { return list; }

  /// Rows begin .. end - 1: values widened exactly, or codes, scales and minima untouched. Pages that only
  /// these rows needed are dropped again.
  Result<RowBlock> readRows(const StoredTensor &tensor, int64_t begin, int64_t end) const;
  /// The same of a weight that must be there.
  Result<RowBlock> readRows(std::string_view name, int64_t begin, int64_t end) const;

  /// An error if the name is taken or the bytes are not those of the shape.
  Result<void> add(StoredTensor tensor);
  Result<void> addAlias(std::string alias, std::string_view name);

private:
  struct NameHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::shared_ptr<const void> owner;
  std::vector<StoredTensor> list;
  std::unordered_map<std::string, size_t, NameHash, std::equal_to<>>
      index; // name or alias to position in list
};

} // namespace nibble
