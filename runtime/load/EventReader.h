//===- EventReader.h - Server-sent events off a stream of bytes ---------------------*- C++ -*-===//
//
// The part of the format that servers of models use: lines "data: ..." up to an empty line are an event;
// comments and other fields are skipped.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace nibble::load {

class EventReader {
public:
  /// Calls `hear` with the data of every event that ends in `bytes`. Lines end in LF, CR LF or CR, as they
  /// please. False once an event is larger than a megabyte.
  bool take(std::string_view bytes, const std::function<void(std::string_view data)> &hear);

private:
  void endLine(const std::function<void(std::string_view data)> &hear);

  std::string line, data;
  bool hasData = false, afterReturn = false;
};

} // namespace nibble::load
