//===- ParameterStore.cpp - Names, checks and pages of mapped weights -------------------------===//

#include "nibble/Import/ParameterStore.h"

#include "RowReader.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace nibble;

const char *nibble::storageName(StorageType type) {
  switch (type) {
  case StorageType::F32:
    return "F32";
  case StorageType::F16:
    return "F16";
  case StorageType::BF16:
    return "BF16";
  case StorageType::Q4_0:
    return "Q4_0";
  case StorageType::Q4_1:
    return "Q4_1";
  case StorageType::Q8_0:
    return "Q8_0";
  case StorageType::IQ4_NL:
    return "IQ4_NL";
  }
  return "unknown";
}

Format nibble::formatOf(StorageType type) {
  switch (type) {
  case StorageType::F32:
    break;
  case StorageType::F16:
    return {Element::F16, 0, Zero::None};
  case StorageType::BF16:
    return {Element::BF16, 0, Zero::None};
  case StorageType::Q4_0:
    return {Element::Int4, 32, Zero::None};
  case StorageType::Q4_1:
    return {Element::Int4, 32, Zero::Minimum};
  case StorageType::Q8_0:
    return {Element::Int8, 32, Zero::None};
  case StorageType::IQ4_NL:
    return {Element::IQ4, 32, Zero::None};
  }
  return {Element::F32, 0, Zero::None};
}

uint64_t nibble::storageBytes(StorageType type, uint64_t elements) {
  switch (type) {
  case StorageType::F32:
    return elements * 4;
  case StorageType::F16:
  case StorageType::BF16:
    return elements * 2;
  case StorageType::Q4_0:
  case StorageType::IQ4_NL:
    return elements / 32 * 18;
  case StorageType::Q4_1:
    return elements / 32 * 20;
  case StorageType::Q8_0:
    return elements / 32 * 34;
  }
  return 0;
}

int64_t StoredTensor::storedIndex(int64_t index) const {
  if (interleavedHeads == 0)
    return index;
  int64_t perHead = shape[0] / interleavedHeads;
  int64_t head = index / perHead, row = index % perHead, half = perHead / 2;
  return head * perHead + (row < half ? 2 * row : 2 * (row - half) + 1);
}

const StoredTensor *ParameterStore::find(std::string_view name) const {
  auto found = index.find(name);
  return found == index.end() ? nullptr : &list[found->second];
}

Result<void> ParameterStore::add(StoredTensor tensor) {
  if (tensor.shape.empty() || tensor.shape.size() > 2)
    return failure("weight '" + tensor.name + "' has " + std::to_string(tensor.shape.size()) +
                   " dimensions; expected 1 or 2");
  uint64_t elements = 1;
  for (int64_t extent : tensor.shape)
    if (extent <= 0 || __builtin_mul_overflow(elements, uint64_t(extent), &elements) || elements >> 56)
      return failure("weight '" + tensor.name + "' has an impossible shape");
  if (!tensor.format().isFloat() && tensor.columns() % 32 != 0)
    return failure("weight '" + tensor.name + "' of type " + storageName(tensor.storage) + " has rows of " +
                   std::to_string(tensor.columns()) + " elements; expected a multiple of 32");
  if (!tensor.format().isFloat() && tensor.shape.size() == 1 && tensor.interleavedHeads != 0)
    return failure("weight '" + tensor.name + "' of type " + storageName(tensor.storage) +
                   " cannot be reordered; expected a vector of float elements");
  if (storageBytes(tensor.storage, elements) != tensor.bytes.size())
    return failure("weight '" + tensor.name + "' has " + std::to_string(tensor.bytes.size()) +
                   " bytes; expected " + std::to_string(storageBytes(tensor.storage, elements)) +
                   " for its shape and type " + storageName(tensor.storage));
  if (tensor.interleavedHeads != 0 && tensor.shape[0] % (2 * tensor.interleavedHeads) != 0)
    return failure("weight '" + tensor.name + "' has " + std::to_string(tensor.shape[0]) +
                   " rows; expected an even number for each of " + std::to_string(tensor.interleavedHeads) +
                   " heads");
  if (!index.emplace(tensor.name, list.size()).second)
    return failure("weight '" + tensor.name + "' is there twice");
  list.push_back(std::move(tensor));
  return {};
}

Result<void> ParameterStore::addAlias(std::string alias, std::string_view name) {
  auto found = index.find(name);
  if (found == index.end())
    return failure("weight '" + alias + "' is an alias of '" + std::string(name) + "', which is not there");
  if (!index.emplace(alias, found->second).second)
    return failure("weight '" + alias + "' is there twice");
  return {};
}

/// Drops the pages that lie wholly inside of `bytes`: the file still has them, and a later read faults them
/// in.
static void dropPages(std::span<const std::byte> bytes) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  auto end = (reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size()) / page * page;
  if (begin < end)
    ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED); // advice: may fail
}

Result<RowBlock> ParameterStore::readRows(const StoredTensor &tensor, int64_t begin, int64_t end) const {
  if (begin < 0 || begin > end || end > tensor.rows())
    return failure("rows " + std::to_string(begin) + " to " + std::to_string(end) + " of weight '" +
                   tensor.name + "' were asked for; it has " + std::to_string(tensor.rows()));
  RowBlock block;
  block.format = tensor.format();
  block.rows = end - begin;
  block.columns = tensor.columns();
  uint64_t rowBytes = storageBytes(tensor.storage, block.columns);
  auto row = [&](int64_t index) { return tensor.bytes.subspan(index * rowBytes, rowBytes); };
  bool isVector = tensor.shape.size() == 1;
  RowReader reader(tensor.storage, block);
  for (int64_t index = begin; index < end; ++index)
    reader.read(row(isVector ? index : tensor.storedIndex(index)), index - begin);
  if (isVector && tensor.interleavedHeads != 0) {
    std::vector<float> inOrder(block.values.size());
    for (int64_t i = 0; i < block.columns * block.rows; ++i)
      inOrder[i] = block.values[tensor.storedIndex(i)];
    block.values = std::move(inOrder);
  }
  if (tensor.mapped)
    dropPages(tensor.bytes.subspan(begin * rowBytes, (end - begin) * rowBytes));
  return block;
}

Result<RowBlock> ParameterStore::readRows(std::string_view name, int64_t begin, int64_t end) const {
  if (const StoredTensor *tensor = find(name))
    return readRows(*tensor, begin, end);
  return failure("the checkpoint has no weight '" + std::string(name) + "'");
}
