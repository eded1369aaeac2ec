//===- Metrics.h - Figures for Prometheus -------------------------------------------*- C++ -*-===//
//
// Names and buckets are those of vLLM, which dashboards know; what is our own begins with nibble:. Recording
// is an atomic addition or two, from any thread; only writing the text visits everything.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Service.h"
#include <array>
#include <atomic>
#include <string>
#include <vector>

namespace nibble::server {

/// Counts observations by size. `bounds` are ascending upper bounds (inclusive) and outlive the histogram.
class Histogram {
public:
  explicit Histogram(std::span<const double> bounds);
  void observe(double value);
  /// Appends the lines of `name`, with cumulative counts; `labels` is `model_name="demo"`.
  void write(std::string &text, std::string_view name, std::string_view labels) const;
  uint64_t count() const;
  double sum() const;

private:
  std::span<const double> bounds;
  std::vector<std::atomic<uint64_t>> counts; // [bounds + 1], the last above all bounds
  std::atomic<double> total = 0;
};

/// Why a request got no answer.
enum class Rejection : uint8_t {
  QueueFull,
  Draining,
  Invalid,
  TooLong,
  TooLarge,
  Unauthorized,
  NotFound,
  Forbidden,
};

/// What the HTTP server knows of its clients.
struct ClientFigures {
  uint32_t connections = 0; // open now
  uint64_t slow = 0;        // closed so far because they did not take their answers
};

class Metrics {
public:
  /// `model` labels every figure. `context`: the most tokens of a request, for buckets.
  Metrics(std::string model, uint32_t context);

  /// One request's times; made when it is submitted. Its functions are for the service's thread (onToken and
  /// onFinish); it may be moved into their captures or shared. Must not outlive the metrics.
  class Request {
  public:
    explicit Request(Metrics &metrics, uint32_t choices = 1);
    /// A token of a choice came: time to the first, then between two.
    void token(uint32_t choice);
    /// A choice ended: counted by its reason, with its latencies.
    void finish(uint32_t choice, const GenerationResult &result);

  private:
    Metrics *metrics;
    TimePoint submitted;
    std::vector<TimePoint> last; // [choices] of the last token; the epoch: none yet
  };

  void rejected(Rejection reason);
  /// An HTTP response was begun with this status.
  void responded(unsigned status);
  /// A line of the access log could not be written.
  void logWriteFailed();
  /// A client hung up before its answer was complete.
  void hungUp();

  /// The whole exposition.
  std::string text(const ServiceStatistics &service, const ClientFigures &clients) const;
  /// For the header Content-Type of that text.
  static constexpr std::string_view contentType = "text/plain; version=0.0.4; charset=utf-8";

private:
  struct Series;
  friend class Request;
  std::unique_ptr<Series, void (*)(Series *)> series;
};

} // namespace nibble::server
