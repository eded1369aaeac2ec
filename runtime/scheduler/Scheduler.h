//===- Scheduler.h - Which sequences take part in a step ----------------------------*- C++ -*-===//
//
// Every step is one ragged batch under one budget of tokens. A row for each sequence that is decoded comes
// first, then what is left of prompts that have begun, then prompts that wait. Where the cache's pages do not
// suffice, the least important running sequence gives its own back and waits again, to be computed anew. The
// scheduler knows token ids and pages, no logits and no text.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/scheduler/FairShare.h"
#include "runtime/scheduler/Importance.h"
#include "runtime/scheduler/PromptShare.h"
#include "runtime/scheduler/SequenceStore.h"
#include <optional>
#include <string>
#include <vector>

namespace nibble {

struct SchedulerOptions {
  uint32_t tokenBudget = 512; // most rows in a step
  uint32_t rowBudget = 64;    // most rows with logits in a step
  /// How many times longer prompts may make a step that others decode in.
  double slowdown = 1.9;
  /// Waiting for so long is worth one level of priority.
  std::chrono::duration<double> ageing{10};
};

/// One sequence of a request. The owner of the job appends to `tokens` what was generated; the scheduler sees
/// to it that all of them get stored.
struct Job {
  Standing standing;
  std::string owner;
  std::vector<int32_t> tokens; // the prompt, then what was generated
  uint32_t forks = 0;          // sequences besides its own that it will come to need (n > 1)
  bool wantsAllLogits = false; // of every token, so that no prefix can be taken over
  bool isPinned = false;       // brought its own sequence, and keeps it

  // The scheduler's.
  std::optional<SequenceId> sequence; // while it runs
  uint32_t stored = 0;                // tokens in the cache
  uint32_t cached = 0;                // of those: found there when it was admitted first
  uint32_t preemptions = 0;
  bool hasStarted = false, isInStep = false;

  /// Tokens to be stored. One of them alone, behind a prompt, is a step of decoding.
  uint32_t left() const { return static_cast<uint32_t>(tokens.size()) - stored; }
};

/// A job's part of a step: its next `count` tokens, of which the last `logits` get logits.
struct StepShare {
  Job *job;
  uint32_t count, logits;
  bool decodes; // one token, behind a prompt that was stored before
};

class Scheduler {
public:
  Scheduler(SequenceStore &store, SchedulerOptions options)
      : store(store), options(options), promptShare(options.slowdown) {}

  /// The job waits from now on. It must stay where it is until remove().
  void add(Job &job);
  /// The job runs from now on, with the sequence that it brings (pinned), or one forked from `parent`, which
  /// has room for it (Job::forks).
  void addPinned(Job &job);
  void addFork(Job &job, Job &parent);
  /// Forgets the job, in whatever state, and gives its sequence back, unless it brought it.
  void remove(Job &job);

  /// The shares of the next step; empty if nothing can run. Valid until the next call.
  std::span<const StepShare> plan(TimePoint now);
  /// The planned step has been run: its tokens are stored.
  void complete(double seconds, TimePoint now);

  const std::vector<Job *> &running() const { return active; } // most important first
  const std::vector<Job *> &waiting() const { return queue; }
  uint64_t preemptions() const { return preempted; }

private:
  void insertRunning(Job &job);
  /// Pages that the plan has not promised yet.
  uint32_t freePages() const;
  Job *leastImportant() const;
  void preempt(Job &job);
  bool makeRoom(const Job &job, uint32_t pages);
  Job *nextWaiting(TimePoint now) const;
  bool fits(const Job &job) const;
  void makeWay(TimePoint now);
  void takeDecoding();
  uint32_t countPrompts() const;
  void takePrompt(Job &job);
  void admit(TimePoint now);
  void take(Job &job, uint32_t count, uint32_t logits, bool decodes);

  SequenceStore &store;
  SchedulerOptions options;
  FairShare fairShare;
  PromptShare promptShare;
  std::vector<Job *> active, queue;
  uint64_t preempted = 0;

  // Of the step that is planned.
  std::vector<StepShare> shares;
  uint32_t promptTokens = 0, rows = 0, promisedPages = 0; // the first two: that may still be taken
  uint32_t decodeRows = 0, prompts = 0, takenPromptTokens = 0;
};

} // namespace nibble
