//===- Formats.cpp - Formats of strings as regular expressions --------------------------------===//
//
// Everything that these match is valid. Not generated though valid: leap seconds, the year 0000, quoted local
// parts and literal addresses of e-mail, IPv6 with an embedded IPv4 address, and addresses (uri) of other
// forms than scheme://host.
//
//===------------------------------------------------------------------------------------------===//

#include "Strings.h"

using namespace nibble::grammar;

#define YEAR R"((?:000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3}))"
#define LEAP_YEAR R"((?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00))"
#define DATE                                                                                                 \
  "(?:" YEAR R"(-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30))"          \
  R"(|02-(?:0[1-9]|1\d|2[0-8]))|)" LEAP_YEAR "-02-29)"
#define CLOCK R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?)"
#define ZONE R"((?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HOST LABEL "(?:\\." LABEL "){0,3}"
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
#define OCTET R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))"
#define H16 "[0-9A-Fa-f]{1,4}"
#define URI_CHARACTER R"((?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}))"

static constexpr std::pair<std::string_view, std::string_view> formats[] = {
    {"date", "^" DATE "$"},
    {"date-time", "^" DATE "T" CLOCK ZONE "$"},
    {"duration", R"(^P(?:\d{1,4}W|(?:\d{1,4}Y(?:\d{1,4}M(?:\d{1,4}D)?)?|\d{1,4}M(?:\d{1,4}D)?|\d{1,4}D))"
                 R"((?:T(?:\d{1,4}H(?:\d{1,4}M(?:\d{1,4}S)?)?|\d{1,4}M(?:\d{1,4}S)?|\d{1,4}S))?)"
                 R"(|T(?:\d{1,4}H(?:\d{1,4}M(?:\d{1,4}S)?)?|\d{1,4}M(?:\d{1,4}S)?|\d{1,4}S))$)"},
    {"email", "^" ATOM "(?:\\." ATOM "){0,2}@" HOST "$"},
    {"hostname", "^" HOST "$"},
    {"ipv4", "^(?:" OCTET "\\.){3}" OCTET "$"},
    {"ipv6", "^(?:(?:" H16 ":){7}" H16 "|(?:" H16 ":){1,7}:|(?:" H16 ":){1,6}:" H16 "|(?:" H16
             ":){1,5}(?::" H16 "){1,2}|(?:" H16 ":){1,4}(?::" H16 "){1,3}|(?:" H16 ":){1,3}(?::" H16
             "){1,4}|(?:" H16 ":){1,2}(?::" H16 "){1,5}|" H16 ":(?::" H16 "){1,6}|:(?::" H16 "){1,7}|::)$"},
    {"time", "^" CLOCK ZONE "$"},
    {"uri", "^[A-Za-z][A-Za-z0-9+.-]{0,15}://" HOST "(?::[0-9]{1,5})?(?:/" URI_CHARACTER "*)*"
            R"((?:\?(?:)" URI_CHARACTER "|[/?])*)?(?:#(?:" URI_CHARACTER "|[/?])*)?$"},
    {"uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"},
};

std::optional<std::string_view> nibble::grammar::formatPattern(std::string_view format) {
  for (auto [name, pattern] : formats)
    if (name == format)
      return pattern;
  return std::nullopt;
}

std::string nibble::grammar::knownFormats() {
  std::string names;
  for (auto [name, pattern] : formats)
    names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}
