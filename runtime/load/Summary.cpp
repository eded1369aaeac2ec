//===- Summary.cpp - What a load did to a server ----------------------------------------------===//

#include "runtime/load/Summary.h"
#include <algorithm>
#include <charconv>

using namespace nibble;
using namespace nibble::load;

Result<Targets> Targets::parse(const std::string &text) {
  Targets targets;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    size_t equals = part.find('=');
    std::string name = part.substr(0, equals);
    std::optional<double> *target = name == "ttft"   ? &targets.timeToFirst
                                    : name == "itl"  ? &targets.betweenTokens
                                    : name == "tpot" ? &targets.perToken
                                    : name == "e2e"  ? &targets.total
                                                     : nullptr;
    double value = 0;
    const char *last = part.data() + part.size();
    if (target && equals != std::string::npos)
      if (auto [stop, code] = std::from_chars(part.data() + equals + 1, last, value);
          code == std::errc() && stop == last && value > 0) {
        *target = value / 1000;
        continue;
      }
    return failure("--targets: '" + part +
                   "': expected ttft=, itl=, tpot= or e2e= and milliseconds, such as " + "ttft=200,itl=50");
  }
  return targets;
}

std::vector<double> nibble::load::betweenTokens(const RequestRecord &record) {
  std::vector<double> times;
  for (auto [seconds, tokens] : record.gaps)
    times.insert(times.end(), tokens, static_cast<double>(seconds) / tokens);
  return times;
}

bool Targets::areMet(const RequestRecord &record) const {
  if (!record.failure.empty())
    return false;
  if ((timeToFirst && record.timeToFirst() > *timeToFirst) || (total && record.total() > *total) ||
      (perToken && record.outputTokens > 1 && record.perToken() > *perToken))
    return false;
  if (!betweenTokens || record.gaps.empty())
    return true;
  return Spread(load::betweenTokens(record)).p99 <= *betweenTokens;
}

Summary Summary::of(std::span<const RunResult> runs, const Targets &targets) {
  Summary summary;
  std::vector<double> first, between, each, total;
  for (const RunResult &run : runs) {
    summary.seconds += run.seconds;
    for (const RequestRecord &record : run.records) {
      ++summary.requests;
      summary.lateness = std::max(summary.lateness, record.start - record.due);
      if (!record.failure.empty()) {
        Failure &entry = summary.failures[record.failure];
        if (entry.count++ == 0)
          entry.message = record.message;
        continue;
      }
      ++summary.complete;
      summary.good += targets.areMet(record);
      summary.promptTokens += record.promptTokens;
      summary.outputTokens += record.outputTokens;
      summary.chunks += record.chunks;
      summary.counted += record.hasUsage;
      summary.shorter += record.outputTokens < record.askedTokens;
      first.push_back(record.timeToFirst());
      total.push_back(record.total());
      if (record.outputTokens > 1)
        each.push_back(record.perToken());
      std::vector<double> times = load::betweenTokens(record);
      between.insert(between.end(), times.begin(), times.end());
    }
  }
  summary.timeToFirst = Spread(std::move(first));
  summary.betweenTokens = Spread(std::move(between));
  summary.perToken = Spread(std::move(each));
  summary.total = Spread(std::move(total));
  return summary;
}
