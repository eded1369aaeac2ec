//===- Scheduler.cpp - Which sequences take part in a step ------------------------------------===//

#include "runtime/scheduler/Scheduler.h"
#include "runtime/cache/KVCache.h"
#include <algorithm>

using namespace nibble;

void Scheduler::add(Job &job) {
  fairShare.begin(job.owner);
  queue.push_back(&job);
}

void Scheduler::insertRunning(Job &job) {
  auto place = std::ranges::upper_bound(
      active, &job, [](const Job *a, const Job *b) { return isMoreImportant(a->standing, b->standing); });
  active.insert(place, &job);
}

void Scheduler::addPinned(Job &job) {
  job.isPinned = true;
  job.stored = store.length(*job.sequence);
  job.cached = job.stored;
  fairShare.begin(job.owner);
  insertRunning(job);
}

void Scheduler::addFork(Job &job, Job &parent) {
  --parent.forks;
  auto sequence = store.forkSequence(*parent.sequence);
  if (!sequence) // cannot be, as room was kept; then it is computed anew
    return add(job);
  job.sequence = *sequence;
  job.stored = parent.stored;
  job.cached = parent.cached;
  job.hasStarted = true;
  fairShare.begin(job.owner);
  insertRunning(job);
}

void Scheduler::remove(Job &job) {
  fairShare.end(job.owner);
  std::erase(job.sequence ? active : queue, &job);
  std::erase_if(shares, [&](const StepShare &share) { return share.job == &job; });
  if (job.sequence && !job.isPinned)
    store.destroySequence(*job.sequence);
  job.sequence.reset();
}

uint32_t Scheduler::freePages() const {
  uint32_t free = store.freePages();
  return free - std::min(free, promisedPages);
}

/// Of those that may be preempted and have no part in the step yet.
Job *Scheduler::leastImportant() const {
  for (auto job = active.rbegin(); job != active.rend(); ++job)
    if (!(*job)->isPinned && !(*job)->isInStep)
      return *job;
  return nullptr;
}

void Scheduler::preempt(Job &job) {
  store.destroySequence(*job.sequence);
  job.sequence.reset();
  job.stored = 0;
  ++job.preemptions;
  ++preempted;
  std::erase(active, &job);
  queue.push_back(&job);
}

/// Takes pages from jobs less important than this one until so many are free.
bool Scheduler::makeRoom(const Job &job, uint32_t pages) {
  while (freePages() < pages) {
    Job *victim = leastImportant();
    if (!victim || victim == &job || isMoreImportant(victim->standing, job.standing))
      return false;
    preempt(*victim);
  }
  return true;
}

void Scheduler::take(Job &job, uint32_t count, uint32_t logits, bool decodes) {
  promisedPages += store.missingPages(*job.sequence, count);
  rows -= logits;
  (decodes ? decodeRows : takenPromptTokens) += count;
  job.isInStep = true;
  shares.push_back({&job, count, logits, decodes});
}

static bool isDecoding(const Job &job) { return job.hasStarted && job.left() == 1; }

/// Somebody reads along with each of these.
void Scheduler::takeDecoding() {
  uint32_t most = std::min(options.tokenBudget, options.rowBudget);
  for (size_t i = 0; i < active.size() && decodeRows < most; ++i) { // preemption takes from the end
    Job &job = *active[i];
    if (!isDecoding(job))
      continue;
    if (makeRoom(job, store.missingPages(*job.sequence, 1)))
      take(job, 1, 1, true);
    else if (!job.isPinned && active.size() > 1) {
      preempt(job); // the others finish sooner with its pages
      --i;
    }
  }
}

/// Jobs that do not decode: those that have begun, and those that could as far as there are sequences.
uint32_t Scheduler::countPrompts() const {
  auto begun = std::ranges::count_if(active, [](const Job *job) { return !isDecoding(*job); });
  return static_cast<uint32_t>(begun) +
         std::min<uint32_t>(static_cast<uint32_t>(queue.size()), store.freeSequences());
}

/// The next part of a job's tokens, as the budgets and the pages allow.
void Scheduler::takePrompt(Job &job) {
  uint32_t count = std::min(job.left(), promptTokens);
  if (job.wantsAllLogits)
    count = std::min(count, rows);
  if (count == 0)
    return;
  if (!makeRoom(job, store.missingPages(*job.sequence, count))) {
    // Whole pages that there are, behind what the last page still holds.
    uint32_t room = freePages() * kPageSize + (kPageSize - job.stored % kPageSize) % kPageSize;
    count = std::min(count, room);
    if (count == 0 || store.missingPages(*job.sequence, count) > freePages())
      return;
  }
  bool last = count == job.left();
  if (last && rows == 0)
    return;
  take(job, count, job.wantsAllLogits ? count : last ? 1 : 0, false);
  promptTokens -= count;
}

Job *Scheduler::nextWaiting(TimePoint now) const {
  auto rank = [&](const Job *job) {
    return std::tuple(agedPriority(job->standing, now, options.ageing), fairShare.served(job->owner),
                      job->standing.arrival, job->standing.number);
  };
  auto next = std::ranges::min_element(queue, {}, rank);
  return next == queue.end() ? nullptr : *next;
}

/// Whether there is a sequence for the job and its forks, and pages for all its tokens beside what those that
/// run are about to take: what they have begun, and a page each to go on with.
bool Scheduler::fits(const Job &job) const {
  uint32_t sequences = 1 + job.forks;
  uint64_t pages = 0;
  for (const Job *other : active) {
    sequences += other->forks;
    pages += store.missingPages(*other->sequence, other->left()) + 1;
  }
  if (store.freeSequences() < sequences)
    return false;
  if (active.empty())
    return true;
  PrefixMatch prefix = job.wantsAllLogits ? PrefixMatch() : store.findPrefix(job.tokens);
  pages += pagesFor(static_cast<uint32_t>(job.tokens.size()) + 1) - prefix.pages + prefix.idlePages;
  return pages <= store.freePages();
}

/// Where somebody waits who is more important than one that runs, and would come before it in the queue too.
void Scheduler::makeWay(TimePoint now) {
  auto priority = [&](const Job *job) { return agedPriority(job->standing, now, options.ageing); };
  while (Job *victim = leastImportant()) {
    auto isBetter = [&](const Job *job) { return priority(job) < priority(victim); };
    if (std::ranges::none_of(queue, isBetter) || fits(*nextWaiting(now)))
      return;
    preempt(*victim);
  }
}

void Scheduler::admit(TimePoint now) {
  while (promptTokens > 0 && rows > 0 && store.freeSequences() > 0) {
    Job *job = nextWaiting(now);
    if (!job || !fits(*job))
      return; // nobody overtakes: the large ones would wait forever
    std::span<const int32_t> known;
    if (!job->wantsAllLogits)
      known = job->tokens;
    auto sequence = store.createSequence(known);
    if (!sequence)
      return;
    job->sequence = *sequence;
    job->stored = store.length(*sequence);
    if (!job->hasStarted)
      job->cached = job->stored;
    std::erase(queue, job);
    insertRunning(*job);
    takePrompt(*job);
  }
}

std::span<const StepShare> Scheduler::plan(TimePoint now) {
  shares.clear();
  for (Job *job : active)
    job->isInStep = false;
  promisedPages = decodeRows = takenPromptTokens = 0;
  rows = options.rowBudget;
  makeWay(now);
  takeDecoding();
  promptTokens = options.tokenBudget - decodeRows;
  if (decodeRows > 0)
    promptTokens = promptShare.tokens(decodeRows, prompts = countPrompts(), promptTokens, now);
  for (size_t i = 0; i < active.size() && promptTokens > 0; ++i)
    if (!active[i]->isInStep && !isDecoding(*active[i]))
      takePrompt(*active[i]);
  admit(now);
  return shares;
}

void Scheduler::complete(double seconds, TimePoint now) {
  for (const StepShare &share : shares) {
    share.job->stored += share.count;
    share.job->hasStarted |= share.job->left() == 0;
    fairShare.charge(share.job->owner, share.decodes ? 2.0 : share.count);
  }
  promptShare.learn(decodeRows, prompts, takenPromptTokens, seconds, now);
}
