//===- SafetensorsHeader.cpp - The header of a safetensors file -------------------------------===//
//
// A handler of parse events instead of a document tree: what the format does not know is refused where it
// stands, so that a hostile header can neither nest nor multiply in memory.
//
//===------------------------------------------------------------------------------------------===//

#include "Safetensors.h"

#include "../JsonObject.h"

#include <unordered_set>

using namespace nibble;
using nlohmann::json;

namespace {

class HeaderEvents {
public:
  SafetensorsHeader header;
  std::string problem; // why parsing stopped

  // What nlohmann's parser calls; false stops it.
  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a truth value"); }
  bool number_integer(int64_t) { return refuse("a negative number"); }
  bool number_float(double, const std::string &) { return refuse("a number that is no count"); }
  bool binary(std::vector<uint8_t> &) { return refuse("binary data"); }

  bool number_unsigned(uint64_t value) {
    if (place == Place::Shape) {
      if (tensor.shape.size() == mostDimensions)
        return stop("has more than " + std::to_string(mostDimensions) + " dimensions");
      tensor.shape.push_back(value);
      return true;
    }
    if (place == Place::Offsets) {
      if (offsets == 2)
        return stop("has more than two data_offsets");
      (offsets++ == 0 ? tensor.begin : tensor.end) = value;
      return true;
    }
    return refuse("a number");
  }

  bool string(std::string &value) {
    if (place == Place::Metadata) {
      header.metadata.emplace_back(std::move(lastKey), std::move(value));
      return true;
    }
    if (place == Place::Tensor && lastKey == "dtype") {
      tensor.dtype = std::move(value);
      return true;
    }
    return refuse("a string");
  }

  bool start_object(size_t) {
    if (place == Place::Outside) {
      place = Place::Top;
      return true;
    }
    if (place != Place::Top)
      return refuse("an object");
    place = lastKey == "__metadata__" ? Place::Metadata : Place::Tensor;
    tensor = {};
    tensor.name = lastKey;
    seenKeys = 0;
    offsets = 0;
    metadataKeys.clear();
    return true;
  }

  bool key(std::string &name) {
    lastKey = std::move(name);
    if (place == Place::Top && !names.insert(lastKey).second)
      return stopFile("names " + quotedName(lastKey) + " twice");
    if (place == Place::Metadata && !metadataKeys.insert(lastKey).second)
      return stopFile("has the metadata key " + quotedName(lastKey) + " twice");
    if (place != Place::Tensor)
      return true;
    unsigned bit = lastKey == "dtype" ? 1 : lastKey == "shape" ? 2 : lastKey == "data_offsets" ? 4 : 0;
    if (bit == 0)
      return stop("has the unknown key " + quotedName(lastKey));
    if (seenKeys & bit)
      return stop("has " + quotedName(lastKey) + " twice");
    seenKeys |= bit;
    return true;
  }

  bool start_array(size_t) {
    if (place == Place::Tensor && lastKey == "shape")
      place = Place::Shape;
    else if (place == Place::Tensor && lastKey == "data_offsets")
      place = Place::Offsets;
    else
      return refuse("a list");
    return true;
  }

  bool end_array() {
    if (place == Place::Offsets && offsets != 2)
      return stop("has " + std::to_string(offsets) + " data_offsets; expected two");
    place = Place::Tensor;
    return true;
  }

  bool end_object() {
    if (place == Place::Tensor) {
      if (seenKeys != 7)
        return stop("lacks one of 'dtype', 'shape' and 'data_offsets'");
      header.tensors.push_back(std::move(tensor));
    }
    place = place == Place::Top ? Place::Done : Place::Top;
    return true;
  }

  bool parse_error(size_t position, const std::string &, const json::exception &) {
    problem = "its header is not valid JSON (byte " + std::to_string(position) + ")";
    return false;
  }

private:
  enum class Place { Outside, Top, Metadata, Tensor, Shape, Offsets, Done };
  static constexpr size_t mostDimensions = 8;

  bool stopFile(std::string what) {
    problem = "its header " + std::move(what);
    return false;
  }
  bool stop(const std::string &what) {
    problem = "tensor " + quotedName(tensor.name) + " " + what;
    return false;
  }
  bool refuse(const char *found) {
    switch (place) {
    case Place::Outside:
    case Place::Done:
      return stopFile(std::string("is ") + found + "; expected an object");
    case Place::Top:
      return stopFile("has " + std::string(found) + " for " + quotedName(lastKey) + "; expected an object");
    case Place::Metadata:
      return stopFile("has " + std::string(found) + " for the metadata key " + quotedName(lastKey) +
                      "; expected a string");
    case Place::Tensor:
    case Place::Shape:
    case Place::Offsets:
      return stop("has " + std::string(found) + " in " + quotedName(lastKey));
    }
    return false;
  }

  Place place = Place::Outside;
  std::string lastKey;
  std::unordered_set<std::string> names, metadataKeys;
  SafetensorsTensor tensor;
  unsigned seenKeys = 0; // 1: dtype, 2: shape, 4: data_offsets
  unsigned offsets = 0;  // data_offsets read so far
};

} // namespace

Result<SafetensorsHeader> nibble::parseSafetensorsHeader(std::string_view text, const std::string &file) {
  HeaderEvents events;
  if (!json::sax_parse(text, &events))
    return failure(file + ": " + events.problem + "; is the file damaged? Fetch it again");
  return std::move(events.header);
}
