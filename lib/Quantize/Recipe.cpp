//===- Recipe.cpp - One weight from the checkpoint to packed panels ---------------------------===//
//
// Workers take blocks in order and may run ahead of the writer by a few blocks only, which bounds the memory.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/Recipe.h"

#include "nibble/Quantize/Dequantize.h"
#include "nibble/Quantize/Packer.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

using namespace nibble;

namespace {

using Bytes = std::vector<uint8_t>;

struct Blocks {
  const RowSource &source;
  const PanelLayout &layout;
  int64_t rowsPerBlock;

  int64_t count() const { return (layout.rows + rowsPerBlock - 1) / rowsPerBlock; }
  int64_t endRow(int64_t block) const { return std::min(layout.rows, (block + 1) * rowsPerBlock); }

  Result<Bytes> make(int64_t block) const {
    int64_t begin = block * rowsPerBlock, end = endRow(block);
    NIBBLE_TRY(RowBlock rows, source(begin, end));
    if (rows.rows != end - begin || rows.columns != layout.columns)
      return failure("rows " + std::to_string(begin) + " to " + std::to_string(end) + " were read as " +
                     std::to_string(rows.rows) + " x " + std::to_string(rows.columns) + ", expected " +
                     std::to_string(end - begin) + " x " + std::to_string(layout.columns));
    NIBBLE_TRY(rows, convertRows(std::move(rows), layout.format, begin));
    return packPanels(rows, layout);
  }

  /// As make, with the one exception that the standard library may throw here.
  Result<Bytes> makeSafely(int64_t block) const {
    try {
      return make(block);
    } catch (const std::bad_alloc &) {
      return failure("out of memory while packing rows " + std::to_string(block * rowsPerBlock) + " to " +
                     std::to_string(endRow(block)) + "; compile with fewer --threads or more memory");
    }
  }
};

/// The workers of one weight. The writer calls `take` for block 0, 1, 2 ...
class Workers {
public:
  Workers(const Blocks &blocks, unsigned threads) : blocks(blocks), ahead(2 * int64_t(threads)) {
    try {
      for (unsigned i = 0; i < threads; ++i)
        pool.emplace_back([this] { work(); });
    } catch (const std::system_error &) {
      // The system gives no more threads: those that run do the work, or `take` does it.
    }
  }

  ~Workers() {
    {
      std::lock_guard lock(mutex);
      stopped = true;
    }
    changed.notify_all();
    for (std::thread &thread : pool)
      thread.join();
  }

  Result<Bytes> take(int64_t block) {
    if (pool.empty())
      return blocks.makeSafely(block);
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done.count(block); });
    Result<Bytes> result = std::move(done.extract(block).mapped());
    taken = block + 1;
    lock.unlock();
    changed.notify_all();
    return result;
  }

private:
  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopped || next >= blocks.count() || next < taken + ahead; });
      if (stopped || next >= blocks.count())
        return;
      int64_t block = next++;
      lock.unlock();
      Result<Bytes> result = blocks.makeSafely(block);
      lock.lock();
      done.emplace(block, std::move(result));
      changed.notify_all();
    }
  }

  const Blocks &blocks;
  const int64_t ahead;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int64_t, Result<Bytes>> done; // packed, not written yet
  int64_t next = 0, taken = 0;
  bool stopped = false;
  std::vector<std::thread> pool;
};

} // namespace

Result<void> nibble::packWeight(const RowSource &source, const PanelLayout &layout, const ByteSink &sink,
                                const RecipeOptions &options, const Progress &progress) {
  NIBBLE_CHECK(layout.check());
  int64_t rowBytes = layout.columns * int64_t(sizeof(float));
  int64_t rows = options.blockBytes / rowBytes / kPanelRows * kPanelRows;
  Blocks blocks{source, layout, std::clamp<int64_t>(rows, kPanelRows, int64_t(1) << 32)};

  // A single block, or a single thread, needs no others.
  int64_t useful = std::min<int64_t>(options.threads, blocks.count());
  Workers workers(blocks, useful > 1 ? static_cast<unsigned>(useful) : 0);
  for (int64_t block = 0; block < blocks.count(); ++block) {
    NIBBLE_TRY(Bytes bytes, workers.take(block));
    NIBBLE_CHECK(sink(bytes));
    if (progress)
      progress(blocks.endRow(block));
  }
  return {};
}
