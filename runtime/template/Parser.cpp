//===- Parser.cpp - Statements ----------------------------------------------------------------===//
//
// Recursive descent; a body ends at the first of the tags that its statement names. Expressions are parsed in
// ExpressionParser.cpp.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/Parser.h"

#include "runtime/template/ExpressionParser.h"

#include <algorithm>

namespace nibble::jinja {

namespace {

class Parser : private ExpressionParser {
public:
  using ExpressionParser::ExpressionParser;
  Parsed<Body> run() { return body({}, 1); }

private:
  /// Statements up to a tag of `ends`, whose name is consumed and left in `endTag`, but not the end of that
  /// tag.
  /// `opened` is the line of the statement, for errors.
  Parsed<Body> body(const std::vector<std::string_view> &ends, int opened);
  /// The end of an opening tag, a body, its end tag.
  Parsed<Body> bodyOf(std::vector<std::string_view> ends);
  Parsed<Statement> statement(const std::string &tag, int line);
  Parsed<Statement> ifStatement(int line);
  Parsed<Statement> forStatement(int line);
  Parsed<Statement> setStatement(int line);
  Parsed<Statement> macroStatement(int line);
  Parsed<Statement> callStatement(int line);
  Parsed<Statement> filterStatement(int line);
  Parsed<Statement> withStatement(int line);
  Parsed<void> signature(MacroStatement &macro);
  Parsed<void> macroBody(MacroStatement &macro, std::string_view end);
  Parsed<Target> target(bool single = false);
  Parsed<Target> targetElement();
  Parsed<void> blockEnd();

  std::string endTag;
  uint32_t nesting = 0;
  uint32_t loops = 0; // that enclose this place; macros and call blocks start anew
};

/// Deep enough for any template, shallow enough for the stack.
constexpr uint32_t maxStatementNesting = 100;

} // namespace

Parsed<void> Parser::blockEnd() {
  if (current().kind != TokenKind::BlockEnd)
    return unexpected("the end of the tag");
  advance();
  return {};
}

Parsed<Body> Parser::body(const std::vector<std::string_view> &ends, int opened) {
  Body statements;
  if (++nesting > maxStatementNesting)
    return error("statements are nested more than " + std::to_string(maxStatementNesting) + " deep");
  for (;;) {
    int line = current().line;
    switch (current().kind) {
    case TokenKind::Text:
      statements.push_back({line, TextStatement{current().text}});
      advance();
      break;
    case TokenKind::OutputBegin: {
      advance();
      NIBBLE_TRY(ExpressionPtr value, tupleOrExpression());
      if (current().kind != TokenKind::OutputEnd)
        return unexpected("the end of the output, '}}'");
      advance();
      statements.push_back({line, OutputStatement{std::move(value)}});
      break;
    }
    case TokenKind::BlockBegin: {
      advance();
      if (current().kind != TokenKind::Name)
        return unexpected("the name of a tag");
      std::string tag = current().text;
      advance();
      for (std::string_view end : ends)
        if (tag == end) {
          endTag = tag;
          --nesting;
          return statements;
        }
      NIBBLE_TRY(Statement parsed, statement(tag, line));
      statements.push_back(std::move(parsed));
      break;
    }
    default:
      if (ends.empty()) {
        --nesting;
        return statements;
      }
      return error("the template ends before the '" + std::string(ends.back()) + "' of the block of line " +
                   std::to_string(opened));
    }
  }
}

Parsed<Body> Parser::bodyOf(std::vector<std::string_view> ends) {
  int opened = current().line;
  accept(":");
  NIBBLE_CHECK(blockEnd());
  return body(ends, opened);
}

Parsed<Statement> Parser::statement(const std::string &tag, int line) {
  if (tag == "if")
    return ifStatement(line);
  if (tag == "for")
    return forStatement(line);
  if (tag == "set")
    return setStatement(line);
  if (tag == "macro")
    return macroStatement(line);
  if (tag == "call")
    return callStatement(line);
  if (tag == "filter")
    return filterStatement(line);
  if (tag == "with")
    return withStatement(line);
  if (tag == "generation") {
    uint32_t outer = std::exchange(loops, 0);
    NIBBLE_TRY(Body inner, bodyOf({"endgeneration"}));
    loops = outer;
    NIBBLE_CHECK(blockEnd());
    return Statement{line, GenerationStatement{std::move(inner)}};
  }
  if (tag == "break" || tag == "continue") {
    if (loops == 0)
      return error("'" + tag + "' outside of a loop");
    NIBBLE_CHECK(blockEnd());
    if (tag == "break")
      return Statement{line, BreakStatement{}};
    return Statement{line, ContinueStatement{}};
  }
  if (tag == "print") {
    NIBBLE_TRY(ExpressionPtr value, tupleOrExpression());
    NIBBLE_CHECK(blockEnd());
    return Statement{line, OutputStatement{std::move(value)}};
  }
  if (tag == "extends" || tag == "block" || tag == "include" || tag == "import" || tag == "from")
    return error("'" + tag + "' needs other templates; a chat template is one text");
  return error("unknown tag '" + tag + "'");
}

Parsed<Statement> Parser::ifStatement(int line) {
  IfStatement node;
  do {
    NIBBLE_TRY(ExpressionPtr condition, tupleOrExpression(/*conditional=*/false));
    NIBBLE_TRY(Body then, bodyOf({"elif", "else", "endif"}));
    node.branches.emplace_back(std::move(condition), std::move(then));
  } while (endTag == "elif");
  if (endTag == "else") {
    NIBBLE_TRY(node.otherwise, bodyOf({"endif"}));
  }
  NIBBLE_CHECK(blockEnd());
  return Statement{line, std::move(node)};
}

static bool mentionsLoop(const Target &target) {
  return target.name == "loop" || std::ranges::any_of(target.elements, mentionsLoop);
}

Parsed<Statement> Parser::forStatement(int line) {
  ForStatement node;
  NIBBLE_TRY(node.target, target());
  if (mentionsLoop(node.target))
    return error("a loop cannot assign to its own variable 'loop'");
  if (!acceptName("in"))
    return unexpected("'in'");
  NIBBLE_TRY(node.iterable, tupleOrExpression(/*conditional=*/false, "recursive"));
  if (acceptName("if")) {
    NIBBLE_TRY(node.filter, expression());
  }
  if (isName("recursive"))
    return error("recursive loops are not supported; use a macro that calls itself");
  ++loops;
  NIBBLE_TRY(node.body, bodyOf({"else", "endfor"}));
  --loops;
  if (endTag == "else") {
    NIBBLE_TRY(node.otherwise, bodyOf({"endfor"}));
  }
  NIBBLE_CHECK(blockEnd());
  return Statement{line, std::move(node)};
}

Parsed<Statement> Parser::setStatement(int line) {
  NIBBLE_TRY(Target to, target());
  if (accept("=")) {
    NIBBLE_TRY(ExpressionPtr value, tupleOrExpression());
    NIBBLE_CHECK(blockEnd());
    return Statement{line, SetStatement{std::move(to), std::move(value)}};
  }
  SetBlockStatement node{std::move(to), nullptr, {}};
  NIBBLE_TRY(node.filter, filters(nullptr, /*inlined=*/false));
  uint32_t outer = std::exchange(loops, 0);
  NIBBLE_TRY(node.body, bodyOf({"endset"}));
  loops = outer;
  NIBBLE_CHECK(blockEnd());
  return Statement{line, std::move(node)};
}

Parsed<void> Parser::signature(MacroStatement &macro) {
  if (!accept("("))
    return unexpected("'('");
  while (!accept(")")) {
    if (!macro.parameters.empty() && !accept(","))
      return unexpected("',' or ')'");
    if (current().kind != TokenKind::Name)
      return unexpected("the name of a parameter");
    std::string name = current().text;
    advance();
    ExpressionPtr defaultValue;
    if (accept("=")) {
      NIBBLE_TRY(defaultValue, expression());
    } else if (!macro.parameters.empty() && macro.parameters.back().second) {
      return error("parameter '" + name + "' has no default, but the one before it has");
    }
    macro.parameters.emplace_back(std::move(name), std::move(defaultValue));
  }
  return {};
}

Parsed<void> Parser::macroBody(MacroStatement &macro, std::string_view end) {
  uint32_t outerLoops = std::exchange(loops, 0);
  SpecialNames outer = std::exchange(special, {});
  NIBBLE_TRY(macro.body, bodyOf({end}));
  NIBBLE_CHECK(blockEnd());
  macro.usesVarargs = special.varargs;
  macro.usesKwargs = special.kwargs;
  macro.usesCaller = special.caller;
  special = outer;
  loops = outerLoops;
  return {};
}

Parsed<Statement> Parser::macroStatement(int line) {
  MacroStatement node;
  if (current().kind != TokenKind::Name)
    return unexpected("the name of the macro");
  node.name = current().text;
  advance();
  NIBBLE_CHECK(signature(node));
  NIBBLE_CHECK(macroBody(node, "endmacro"));
  return Statement{line, std::move(node)};
}

Parsed<Statement> Parser::callStatement(int line) {
  CallBlockStatement node;
  if (current().kind == TokenKind::Operator && current().text == "(")
    NIBBLE_CHECK(signature(node.caller));
  NIBBLE_TRY(node.call, expression());
  if (!std::holds_alternative<CallNode>(node.call->node))
    return error("a call block needs a call, as in {% call f() %}");
  NIBBLE_CHECK(macroBody(node.caller, "endcall"));
  return Statement{line, std::move(node)};
}

Parsed<Statement> Parser::filterStatement(int line) {
  FilterBlockStatement node;
  NIBBLE_TRY(node.filter, filters(nullptr, /*inlined=*/true));
  uint32_t outer = std::exchange(loops, 0);
  NIBBLE_TRY(node.body, bodyOf({"endfilter"}));
  loops = outer;
  NIBBLE_CHECK(blockEnd());
  return Statement{line, std::move(node)};
}

Parsed<Statement> Parser::withStatement(int line) {
  WithStatement node;
  while (current().kind != TokenKind::BlockEnd) {
    if (!node.assignments.empty() && !accept(","))
      return unexpected("',' or the end of the tag");
    NIBBLE_TRY(Target to, target(/*single=*/true));
    if (!accept("="))
      return unexpected("'='");
    NIBBLE_TRY(ExpressionPtr value, expression());
    node.assignments.emplace_back(std::move(to), std::move(value));
  }
  NIBBLE_TRY(node.body, bodyOf({"endwith"}));
  NIBBLE_CHECK(blockEnd());
  return Statement{line, std::move(node)};
}

Parsed<Target> Parser::targetElement() {
  if (accept("(")) {
    NIBBLE_TRY(Target inner, target());
    if (!accept(")"))
      return unexpected("')'");
    return inner;
  }
  if (current().kind != TokenKind::Name)
    return unexpected("a name to assign to");
  Target result{current().text, "", {}};
  for (std::string_view constant : {"true", "false", "none", "True", "False", "None"})
    if (result.name == constant)
      return error("cannot assign to '" + result.name + "'");
  advance();
  if (accept(".")) {
    if (current().kind != TokenKind::Name)
      return unexpected("the name of an attribute");
    result.attribute = current().text;
    advance();
  }
  return result;
}

Parsed<Target> Parser::target(bool single) {
  if (++nesting > maxStatementNesting)
    return error("targets are nested too deep");
  NIBBLE_TRY(Target first, targetElement());
  --nesting;
  if (single || current().kind != TokenKind::Operator || current().text != ",")
    return first;
  Target tuple;
  tuple.elements.push_back(std::move(first));
  while (accept(",")) {
    if (current().kind != TokenKind::Name &&
        !(current().kind == TokenKind::Operator && current().text == "("))
      break;
    if (isName("in"))
      break;
    NIBBLE_TRY(Target next, targetElement());
    tuple.elements.push_back(std::move(next));
  }
  return tuple;
}

Parsed<void> parseProgram(std::string_view source, Program &program) {
  NIBBLE_TRY(std::vector<Token> tokens, tokenize(source));
  Parser parser(std::move(tokens), program.names);
  NIBBLE_TRY(program.body, parser.run());
  return {};
}

} // namespace nibble::jinja
