//===- Clock.cpp - strftime_now ---------------------------------------------------------------===//
//
// The date that templates show the model. Formats go to the C library one directive at a time, so that widths
// and long formats cannot blow up; runs in the C locale, as the runtime never sets another.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Builtins.h"
#include "runtime/template/Evaluator.h"

#include <ctime>

namespace nibble::jinja {

static std::tm present(const RenderOptions &options) {
  std::tm date = {};
  if (!options.now) {
    std::time_t seconds = std::time(nullptr);
    localtime_r(&seconds, &date);
    return date;
  }
  date.tm_year = options.now->tm_year;
  date.tm_mon = options.now->tm_mon;
  date.tm_mday = options.now->tm_mday;
  date.tm_hour = options.now->tm_hour;
  date.tm_min = options.now->tm_min;
  date.tm_sec = options.now->tm_sec;
  timegm(&date); // fills in the day of the week and of the year
  return date;
}

Result<Value> strftimeNow(Evaluator &evaluator, const Value &, const Arguments &arguments) {
  NIBBLE_TRY(auto bound, bind(arguments, "strftime_now", {"format"}, 1));
  if (!bound[0]->isString())
    return failure("strftime_now needs a format string, not " + bound[0]->typeName());
  std::tm date = present(evaluator.options);
  std::string_view format = bound[0]->string();
  TextBuilder out(evaluator.heap);
  for (size_t at = 0; at < format.size();) {
    size_t percent = std::min(format.find('%', at), format.size());
    out.append(format.substr(at, percent - at));
    at = percent;
    if (at >= format.size())
      break;
    NIBBLE_CHECK(evaluator.heap.spend(4));
    size_t end = at + 1;
    while (end < format.size() && std::string_view("-_0^#EO").find(format[end]) != std::string_view::npos)
      ++end;
    std::string directive(format.substr(at, end + 1 - at));
    at = std::min(end + 1, format.size());
    char letter = directive.back();
    bool known =
        directive.size() > 1 && directive.size() < 8 &&
        std::string_view("aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZsf%").find(letter) != std::string_view::npos;
    char text[128];
    if (letter == 'f') // datetime's own: microseconds
      out.append("000000");
    else if (letter == 'z' || letter == 'Z') // datetime.now() knows no zone
      out.append("");
    else if (known)
      out.append(std::string_view(text, std::strftime(text, sizeof text, directive.c_str(), &date)));
    else
      out.append(directive);
  }
  return out.finish();
}

} // namespace nibble::jinja
