//===- Report.cpp - What bench-serve prints ---------------------------------------------------===//

#include "runtime/load/Report.h"
#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

using namespace nibble::load;
using Json = nlohmann::ordered_json;

__attribute__((format(printf, 1, 2))) static std::string format(const char *pattern, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

std::string LoadShape::name() const {
  if (!rate)
    return format("%u at a time", concurrency);
  if (std::isinf(*rate))
    return "all at once";
  return burstiness == 1 ? format("rate %g", *rate) : format("rate %g, burstiness %g", *rate, burstiness);
}

std::string BenchReport::countedBy() const {
  uint64_t counted = 0, complete = 0, tokens = 0, chunks = 0;
  for (const LoadReport &load : loads) {
    counted += load.all.counted;
    complete += load.all.complete;
    tokens += load.all.outputTokens;
    chunks += load.all.chunks;
  }
  if (complete == 0)
    return "no answer is complete";
  if (counted == 0)
    return "the server reports no usage: a chunk counts as a token";
  std::string text = counted == complete
                         ? "tokens are counted by the server's usage"
                         : format("the server reports usage in %.0f%% of its answers; elsewhere "
                                  "a chunk counts as a token",
                                  100.0 * static_cast<double>(counted) / static_cast<double>(complete));
  if (tokens != chunks && chunks != 0)
    text += format("; %.3f tokens a chunk", static_cast<double>(tokens) / static_cast<double>(chunks));
  return text;
}

/// Four figures, whatever the size.
static std::string figure(double value) {
  return value >= 1000 ? format("%.0f", value) : value >= 100 ? format("%.1f", value) : format("%.2f", value);
}

std::string nibble::load::tableText(const BenchReport &report) {
  std::string text =
      format("%s%s, model %s; prompts of %s tokens, outputs of %s; ", report.url.c_str(), report.path.c_str(),
             report.model.c_str(), report.prompt.c_str(), report.output.c_str());
  text += format("%zu seed%s\n%s\n\n", report.seeds.size(), report.seeds.size() == 1 ? "" : "s",
                 report.countedBy().c_str());
  size_t width = 4;
  for (const LoadReport &load : report.loads)
    width = std::max(width, load.shape.name().size());
  int column = static_cast<int>(width);
  auto line = [&](const std::string &added) {
    text += added;
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  };

  line(format("%-*s  %8s %8s %10s %10s %10s  %s", column, "load", "requests", "failed", "requests/s",
              report.targets.any() ? "goodput/s" : "", "tokens/s",
              report.seeds.size() > 1 ? "[seeds: least, most]" : ""));
  for (const LoadReport &load : report.loads) {
    const Summary &all = load.all;
    std::string spread;
    if (load.seeds.size() > 1) {
      auto [least, most] = std::minmax_element(load.seeds.begin(), load.seeds.end(), [](auto &a, auto &b) {
        return a.tokenRate() < b.tokenRate();
      });
      spread = "[" + figure(least->tokenRate()) + " " + figure(most->tokenRate()) + "]";
    }
    line(format("%-*s  %8llu %8llu %10s %10s %10s  %s", column, load.shape.name().c_str(),
                static_cast<unsigned long long>(all.requests),
                static_cast<unsigned long long>(all.requests - all.complete),
                figure(all.requestRate()).c_str(), report.targets.any() ? figure(all.goodRate()).c_str() : "",
                figure(all.tokenRate()).c_str(), spread.c_str()));
  }

  const char *const names[] = {"TTFT", "ITL", "TPOT", "E2E"};
  text += "\n";
  std::string header = format("%-*s", column, "ms");
  for (const char *name : names)
    header += format("   %9s %9s %9s", (std::string(name) + " p50").c_str(), "p90", "p99");
  line(header);
  for (const LoadReport &load : report.loads) {
    std::string row = format("%-*s", column, load.shape.name().c_str());
    for (const Spread *spread :
         {&load.all.timeToFirst, &load.all.betweenTokens, &load.all.perToken, &load.all.total})
      for (int i = 0; i < 3; ++i) {
        double value = i == 0 ? spread->p50 : i == 1 ? spread->p90 : spread->p99;
        row += format(i == 0 ? "   %9s" : " %9s", spread->count ? figure(value * 1e3).c_str() : "-");
      }
    line(row);
  }

  for (const LoadReport &load : report.loads) {
    for (auto &[kind, failure] : load.all.failures)
      text += format("\n%s: %llu failed: %s%s", load.shape.name().c_str(),
                     static_cast<unsigned long long>(failure.count), kind.c_str(),
                     failure.message.empty() ? "" : (" (" + failure.message.substr(0, 300) + ")").c_str());
    if (load.all.shorter)
      text += format("\n%s: %llu answers are shorter than asked for", load.shape.name().c_str(),
                     static_cast<unsigned long long>(load.all.shorter));
    if (load.shape.rate && !std::isinf(*load.shape.rate) && load.all.lateness > 0.02)
      text +=
          format("\n%s: requests were sent up to %.0f ms after their time; this program had too little CPU",
                 load.shape.name().c_str(), load.all.lateness * 1e3);
  }
  if (report.peakBytes)
    text += format("\nthe server's peak of resident memory: %.1f MiB",
                   static_cast<double>(*report.peakBytes) / (1 << 20));
  if (text.back() != '\n')
    text += '\n';
  return text;
}

static Json spreadJson(const Spread &spread) {
  return {{"count", spread.count},   {"mean", spread.mean * 1e3}, {"p50", spread.p50 * 1e3},
          {"p90", spread.p90 * 1e3}, {"p99", spread.p99 * 1e3},   {"max", spread.most * 1e3}};
}

static Json summaryJson(const Summary &summary, bool hasTargets) {
  Json json = {{"requests", summary.requests},
               {"complete", summary.complete},
               {"failed", summary.requests - summary.complete},
               {"failures", Json::object()},
               {"shorter", summary.shorter},
               {"seconds", summary.seconds},
               {"prompt_tokens", summary.promptTokens},
               {"output_tokens", summary.outputTokens},
               {"chunks", summary.chunks},
               {"answers_with_usage", summary.counted},
               {"requests_per_second", summary.requestRate()},
               {"output_tokens_per_second", summary.tokenRate()},
               {"goodput_per_second", nullptr},
               {"lateness_ms", summary.lateness * 1e3},
               {"ttft_ms", spreadJson(summary.timeToFirst)},
               {"itl_ms", spreadJson(summary.betweenTokens)},
               {"tpot_ms", spreadJson(summary.perToken)},
               {"e2e_ms", spreadJson(summary.total)}};
  if (hasTargets)
    json["goodput_per_second"] = summary.goodRate();
  for (auto &[kind, failure] : summary.failures)
    json["failures"][kind] = {{"count", failure.count}, {"message", failure.message}};
  return json;
}

Json nibble::load::reportJson(const BenchReport &report) {
  Json json = {{"url", report.url},       {"path", report.path},     {"model", report.model},
               {"prompt", report.prompt}, {"output", report.output}, {"seeds", report.seeds},
               {"loads", Json::array()}};
  for (const LoadReport &load : report.loads) {
    Json entry = {
        {"name", load.shape.name()}, {"rate", nullptr}, {"burstiness", nullptr}, {"concurrency", nullptr}};
    if (load.shape.rate) { // JSON has no infinity
      entry["rate"] = std::isinf(*load.shape.rate) ? Json("inf") : Json(*load.shape.rate);
      entry["burstiness"] = load.shape.burstiness;
    } else {
      entry["concurrency"] = load.shape.concurrency;
    }
    entry.update(summaryJson(load.all, report.targets.any()));
    entry["by_seed"] = Json::array();
    for (const Summary &seed : load.seeds)
      entry["by_seed"].push_back(summaryJson(seed, report.targets.any()));
    json["loads"].push_back(std::move(entry));
  }
  json["counted_by"] = report.countedBy();
  json["server_peak_bytes"] = report.peakBytes ? Json(*report.peakBytes) : Json();
  return json;
}
