//===- VerifySchedule.cpp - Barriers and memory of a program, checked -------------------------===//
#include "lib/Pipelines/VerifySchedule.h"

#include "nibble/runtime/KernelABI.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace nibble;

namespace {

/// When a value is touched. Times are numbers of dispatches; epochs and phases count `always` barriers, and
/// barriers of either kind that are in force in large steps.
struct Use {
  int64_t firstEpoch = INT64_MAX, lastEpoch = -1;       // of any use
  int64_t firstDispatch = INT64_MAX, lastDispatch = -1; // of any use
  int64_t writtenInEpoch = -1, writtenInPhase = -1;     // of the last write; -1: not written yet
};

class ScheduleVerifier {
public:
  LogicalResult run(rt::ProgramOp program) {
    for (rt::DispatchOp dispatch : program.getBody().getOps<rt::DispatchOp>())
      if (failed(visit(dispatch)))
        return failure();
    return checkMemory();
  }

private:
  LogicalResult visit(rt::DispatchOp dispatch) {
    ++now;
    epoch += dispatch.getBarrier() == rt::Barrier::Always;
    phase += dispatch.getBarrier() != rt::Barrier::Never;
    for (Value operand : dispatch.getOperands())
      if (failed(checkBarrier(dispatch, operand)))
        return failure();
    for (Value operand : dispatch.getOperands()) {
      Use &use = useOf(operand);
      use.firstEpoch = std::min(use.firstEpoch, epoch);
      use.lastEpoch = epoch;
      use.firstDispatch = std::min(use.firstDispatch, now);
      use.lastDispatch = now;
    }
    auto write = [&](Value value) {
      useOf(value).writtenInEpoch = epoch;
      useOf(value).writtenInPhase = phase;
    };
    llvm::for_each(dispatch.getOutputs(), write);
    for (Value input : dispatch.getInputs())
      if (input.getDefiningOp<rt::CacheOp>())
        write(input);
    return success();
  }

  /// Every rt.cache of a layer is the same memory.
  Use &useOf(Value value) {
    auto cache = value.getDefiningOp<rt::CacheOp>();
    return cache ? layers[cache.getLayer()] : uses[value];
  }

  LogicalResult checkBarrier(rt::DispatchOp dispatch, Value operand) {
    const Use &use = useOf(operand);
    auto buffer = operand.getDefiningOp<rt::BufferOp>();
    bool isPrivate = buffer && buffer.getSpace() == rt::Space::Private;
    bool races = isPrivate ? use.writtenInPhase == phase : use.writtenInEpoch == epoch;
    if (!races)
      return success();
    return dispatch.emitOpError() << "has no barrier between it and the dispatch that wrote its operand "
                                  << (buffer ? "\"" + buffer.getLabel().str() + "\"" : "of the cache");
  }

  /// Bytes of a buffer in a space: those of the same unit (a token, a row, fixed, a worker) may overlap.
  struct Place {
    int unit = 0;
    int64_t begin = 0, end = 0;
    bool overlaps(const Place &other) const {
      return unit == other.unit && begin < other.end && other.begin < end;
    }
  };

  static Place placeInArena(rt::BufferOp buffer) {
    int unit = buffer.getSize()[0] != 0 ? 0 : buffer.getSize()[1] != 0 ? 1 : 2;
    int64_t begin = (*buffer.getOffset())[unit];
    return {unit, begin, begin + buffer.getSize()[unit]};
  }

  static std::optional<Place> privatePlace(rt::BufferOp buffer) {
    if (buffer.getSpace() != rt::Space::Private)
      return std::nullopt;
    int64_t begin = *buffer.getPrivateOffset();
    return Place{3, begin, begin + (buffer.getSize()[0] + buffer.getSize()[1]) * int64_t(kPrivateTokens)};
  }

  LogicalResult checkMemory() {
    for (auto first = uses.begin(); first != uses.end(); ++first)
      for (auto second = std::next(first); second != uses.end(); ++second) {
        auto a = first->first.getDefiningOp<rt::BufferOp>(), b = second->first.getDefiningOp<rt::BufferOp>();
        if (a && b && failed(checkPair(a, first->second, b, second->second)))
          return failure();
      }
    return success();
  }

  static LogicalResult checkPair(rt::BufferOp a, const Use &useOfA, rt::BufferOp b, const Use &useOfB) {
    bool sameTime = useOfA.firstEpoch <= useOfB.lastEpoch && useOfB.firstEpoch <= useOfA.lastEpoch;
    bool inArena = sameTime && placeInArena(a).overlaps(placeInArena(b));
    auto privateA = privatePlace(a), privateB = privatePlace(b);
    bool inPrivate = privateA && privateB && privateA->overlaps(*privateB) &&
                     useOfA.firstDispatch <= useOfB.lastDispatch &&
                     useOfB.firstDispatch <= useOfA.lastDispatch;
    if (!inArena && !inPrivate)
      return success();
    return b.emitOpError() << "\"" << b.getLabel() << "\" shares " << (inArena ? "the arena's" : "private")
                           << " memory with \"" << a.getLabel() << "\" while both are in use";
  }

  int64_t now = 0, epoch = 0, phase = 0;
  llvm::MapVector<Value, Use> uses;
  DenseMap<int64_t, Use> layers;
};

} // namespace

LogicalResult nibble::verifySchedule(rt::ProgramOp program) { return ScheduleVerifier().run(program); }
