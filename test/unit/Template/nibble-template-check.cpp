//===- nibble-template-check.cpp - Renders templates for the Python tests ---------------------===//
//
// Reads lines of JSON {"template", "variables", "now": "YYYY-MM-DD HH:MM:SS", "limits": {...}} and answers
// each with a line {"text"} or {"error"}. One process serves many cases, so that tests can compare thousands
// of snippets.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/ChatTemplate.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

using nlohmann::ordered_json;

static nibble::Result<std::string> answer(const ordered_json &request) {
  NIBBLE_TRY(auto chatTemplate, nibble::ChatTemplate::parse(request.at("template"), "test.jinja"));
  nibble::RenderOptions options;
  if (request.contains("now")) {
    std::tm now = {};
    std::string text = request.at("now");
    if (std::sscanf(text.c_str(), "%d-%d-%d %d:%d:%d", &now.tm_year, &now.tm_mon, &now.tm_mday, &now.tm_hour,
                    &now.tm_min, &now.tm_sec) != 6)
      return nibble::failure("now must be YYYY-MM-DD HH:MM:SS");
    now.tm_year -= 1900;
    now.tm_mon -= 1;
    options.now = now;
  }
  if (request.contains("limits")) {
    const ordered_json &limits = request.at("limits");
    options.limits.steps = limits.value("steps", options.limits.steps);
    options.limits.outputBytes = limits.value("outputBytes", options.limits.outputBytes);
    options.limits.memoryBytes = limits.value("memoryBytes", options.limits.memoryBytes);
    options.limits.depth = limits.value("depth", options.limits.depth);
  }
  return chatTemplate.render(request.at("variables"), options);
}

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    nibble::Result<std::string> result = answer(ordered_json::parse(line));
    ordered_json reply;
    if (result)
      reply["text"] = *result;
    else
      reply["error"] = result.error().message;
    // A template can cut a string inside of a character; the replacement keeps the answer valid JSON.
    std::cout << reply.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
  }
}
