//===- ExpressionParser.cpp - Expressions by precedence ---------------------------------------===//
//
// Every level parses the next tighter one and then its own operators, all of them to the left.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/template/ExpressionParser.h"

#include "runtime/template/Builtins.h"

#include <algorithm>
#include <charconv>

namespace nibble::jinja {

namespace {
constexpr uint32_t maxExpressionDepth = 250; // of a tree
constexpr uint32_t maxNesting = 150;         // of brackets, signs and conditionals in the source
} // namespace

bool ExpressionParser::accept(std::string_view op) {
  if (!isOperator(op))
    return false;
  advance();
  return true;
}

bool ExpressionParser::acceptName(std::string_view name) {
  if (!isName(name))
    return false;
  advance();
  return true;
}

tl::unexpected<SourceError> ExpressionParser::error(std::string message) const {
  return tl::unexpected<SourceError>(SourceError{current().line, std::move(message)});
}

tl::unexpected<SourceError> ExpressionParser::unexpected(std::string_view expected) const {
  std::string found;
  switch (current().kind) {
  case TokenKind::Text:
    found = "text";
    break;
  case TokenKind::OutputBegin:
    found = "'{{'";
    break;
  case TokenKind::OutputEnd:
    found = "'}}'";
    break;
  case TokenKind::BlockBegin:
    found = "'{%'";
    break;
  case TokenKind::BlockEnd:
    found = "'%}'";
    break;
  case TokenKind::String:
    found = "a string";
    break;
  case TokenKind::End:
    found = "the end of the template";
    break;
  default:
    found = "'" + current().text + "'";
  }
  return error("expected " + std::string(expected) + ", found " + found);
}

static uint32_t depthOf(const ExpressionPtr &node) { return node ? node->depth : 0; }

static uint32_t depthOf(const ArgumentList &list) {
  uint32_t depth = std::max(depthOf(list.spread), depthOf(list.spreadNamed));
  for (const ExpressionPtr &argument : list.positional)
    depth = std::max(depth, argument->depth);
  for (const auto &[name, argument] : list.named)
    depth = std::max(depth, argument->depth);
  return depth;
}

template <typename Node>
Parsed<ExpressionPtr> ExpressionParser::make(int line, Node node, uint32_t childDepth) {
  if (childDepth >= maxExpressionDepth)
    return error("an expression is nested more than " + std::to_string(maxExpressionDepth) + " deep");
  return std::make_unique<Expression>(Expression{line, childDepth + 1, std::move(node)});
}

static Value stringConstant(std::string text) {
  auto made = std::make_shared<String>();
  made->text = std::move(text);
  return Value(std::shared_ptr<const String>(std::move(made)));
}

Parsed<ExpressionPtr> ExpressionParser::expression() {
  if (++nesting > maxNesting)
    return error("expressions are nested more than " + std::to_string(maxNesting) + " deep");
  Parsed<ExpressionPtr> result = conditional();
  --nesting;
  return result;
}

Parsed<ExpressionPtr> ExpressionParser::conditional() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr node, disjunction());
  while (acceptName("if")) {
    NIBBLE_TRY(ExpressionPtr condition, disjunction());
    ExpressionPtr otherwise;
    if (acceptName("else")) {
      NIBBLE_TRY(otherwise, expression());
    }
    uint32_t depth = std::max({node->depth, condition->depth, depthOf(otherwise)});
    NIBBLE_TRY(node, make(line, ConditionalNode{std::move(condition), std::move(node), std::move(otherwise)},
                          depth));
  }
  return node;
}

Parsed<ExpressionPtr> ExpressionParser::disjunction() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr left, conjunction());
  while (acceptName("or")) {
    NIBBLE_TRY(ExpressionPtr right, conjunction());
    uint32_t depth = std::max(left->depth, right->depth);
    NIBBLE_TRY(left, make(line, LogicNode{false, std::move(left), std::move(right)}, depth));
  }
  return left;
}

Parsed<ExpressionPtr> ExpressionParser::conjunction() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr left, negation());
  while (acceptName("and")) {
    NIBBLE_TRY(ExpressionPtr right, negation());
    uint32_t depth = std::max(left->depth, right->depth);
    NIBBLE_TRY(left, make(line, LogicNode{true, std::move(left), std::move(right)}, depth));
  }
  return left;
}

Parsed<ExpressionPtr> ExpressionParser::negation() {
  int line = current().line;
  if (!acceptName("not"))
    return comparison();
  if (++nesting > maxNesting)
    return error("too many 'not' in a row");
  NIBBLE_TRY(ExpressionPtr operand, negation());
  --nesting;
  uint32_t depth = operand->depth;
  return make(line, UnaryNode{UnaryOperator::Not, std::move(operand)}, depth);
}

Parsed<ExpressionPtr> ExpressionParser::comparison() {
  static constexpr std::string_view operators[] = {"==", "!=", "<", "<=", ">", ">="};
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr first, sum());
  CompareNode node{std::move(first), {}};
  uint32_t depth = node.first->depth;
  for (;;) {
    std::string op;
    if (current().kind == TokenKind::Operator &&
        std::ranges::find(operators, current().text) != std::end(operators))
      op = current().text;
    else if (isName("in"))
      op = "in";
    else if (isName("not") && next().kind == TokenKind::Name && next().text == "in")
      op = "not in";
    else
      break;
    advance();
    if (op == "not in")
      advance();
    NIBBLE_TRY(ExpressionPtr right, sum());
    depth = std::max(depth, right->depth);
    node.rest.emplace_back(std::move(op), std::move(right));
  }
  if (node.rest.empty())
    return std::move(node.first);
  return make(line, std::move(node), depth);
}

Parsed<ExpressionPtr> ExpressionParser::sum() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr left, concatenation());
  while (isOperator("+") || isOperator("-")) {
    std::string op = current().text;
    advance();
    NIBBLE_TRY(ExpressionPtr right, concatenation());
    uint32_t depth = std::max(left->depth, right->depth);
    NIBBLE_TRY(left, make(line, BinaryNode{std::move(op), std::move(left), std::move(right)}, depth));
  }
  return left;
}

Parsed<ExpressionPtr> ExpressionParser::concatenation() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr first, product());
  if (!isOperator("~"))
    return first;
  uint32_t depth = first->depth;
  ConcatNode node;
  node.parts.push_back(std::move(first));
  while (accept("~")) {
    NIBBLE_TRY(ExpressionPtr part, product());
    depth = std::max(depth, part->depth);
    node.parts.push_back(std::move(part));
  }
  return make(line, std::move(node), depth);
}

Parsed<ExpressionPtr> ExpressionParser::product() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr left, power());
  while (isOperator("*") || isOperator("/") || isOperator("//") || isOperator("%")) {
    std::string op = current().text;
    advance();
    NIBBLE_TRY(ExpressionPtr right, power());
    uint32_t depth = std::max(left->depth, right->depth);
    NIBBLE_TRY(left, make(line, BinaryNode{std::move(op), std::move(left), std::move(right)}, depth));
  }
  return left;
}

Parsed<ExpressionPtr> ExpressionParser::power() {
  int line = current().line;
  NIBBLE_TRY(ExpressionPtr left, unary(true));
  while (accept("**")) {
    NIBBLE_TRY(ExpressionPtr right, unary(true));
    uint32_t depth = std::max(left->depth, right->depth);
    NIBBLE_TRY(left, make(line, BinaryNode{"**", std::move(left), std::move(right)}, depth));
  }
  return left;
}

Parsed<ExpressionPtr> ExpressionParser::unary(bool withFilters) {
  int line = current().line;
  ExpressionPtr node;
  if (isOperator("-") || isOperator("+")) {
    UnaryOperator op = isOperator("-") ? UnaryOperator::Minus : UnaryOperator::Plus;
    advance();
    if (++nesting > maxNesting)
      return error("too many signs in a row");
    NIBBLE_TRY(ExpressionPtr operand, unary(false));
    --nesting;
    uint32_t depth = operand->depth;
    NIBBLE_TRY(node, make(line, UnaryNode{op, std::move(operand)}, depth));
  } else {
    NIBBLE_TRY(node, primary());
  }
  NIBBLE_TRY(node, postfix(std::move(node)));
  return withFilters ? filtersAndTests(std::move(node)) : Parsed<ExpressionPtr>(std::move(node));
}

Parsed<ExpressionPtr> ExpressionParser::primary() {
  int line = current().line;
  switch (current().kind) {
  case TokenKind::Name:
    return nameOrConstant();
  case TokenKind::Integer:
  case TokenKind::Float:
    return number();
  case TokenKind::String: {
    std::string text;
    for (; current().kind == TokenKind::String; advance())
      text += current().text;
    return make(line, ConstantNode{stringConstant(std::move(text))}, 0);
  }
  default:
    break;
  }
  if (accept("("))
    return parenthesized();
  if (accept("["))
    return list();
  if (accept("{"))
    return dict();
  return unexpected("an expression");
}

Parsed<ExpressionPtr> ExpressionParser::nameOrConstant() {
  int line = current().line;
  std::string name = current().text;
  advance();
  if (name == "true" || name == "True")
    return make(line, ConstantNode{Value(true)}, 0);
  if (name == "false" || name == "False")
    return make(line, ConstantNode{Value(false)}, 0);
  if (name == "none" || name == "None")
    return make(line, ConstantNode{Value()}, 0);
  special.varargs |= name == "varargs";
  special.kwargs |= name == "kwargs";
  special.caller |= name == "caller";
  names.insert(name);
  return make(line, NameNode{std::move(name)}, 0);
}

Parsed<ExpressionPtr> ExpressionParser::number() {
  const Token &token = current();
  int line = token.line;
  if (token.kind == TokenKind::Float) {
    double value = 0;
    auto [end, status] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (status == std::errc::result_out_of_range) // infinity or zero, as Python has it
      value = std::strtod(token.text.c_str(), nullptr);
    advance();
    return make(line, ConstantNode{Value(value)}, 0);
  }
  std::string_view digits = token.text;
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] < '0' || digits[1] > '9')) {
    base = (digits[1] | 0x20) == 'x' ? 16 : (digits[1] | 0x20) == 'o' ? 8 : 2;
    digits.remove_prefix(2);
  }
  Integer value = 0;
  for (char c : digits) {
    int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (__builtin_mul_overflow(value, Integer(base), &value) ||
        __builtin_add_overflow(value, Integer(digit), &value))
      return error("the number " + token.text + " is out of range");
  }
  advance();
  return make(line, ConstantNode{Value(value)}, 0);
}

Parsed<ExpressionPtr> ExpressionParser::parenthesized() {
  int line = current().line;
  if (accept(")"))
    return make(line, ListNode{{}, true}, 0);
  NIBBLE_TRY(ExpressionPtr inner, tupleOrExpression());
  if (!accept(")"))
    return unexpected("')'");
  return inner;
}

Parsed<ExpressionPtr> ExpressionParser::tupleOrExpression(bool conditional, std::string_view end) {
  int line = current().line;
  if (++nesting > maxNesting)
    return error("expressions are nested more than " + std::to_string(maxNesting) + " deep");
  auto element = [&] { return conditional ? expression() : disjunction(); };
  NIBBLE_TRY(ExpressionPtr first, element());
  if (isOperator(",")) {
    uint32_t depth = first->depth;
    ListNode tuple{{}, true};
    tuple.items.push_back(std::move(first));
    while (accept(",")) {
      bool ends = current().kind == TokenKind::OutputEnd || current().kind == TokenKind::BlockEnd ||
                  isOperator(")") || (!end.empty() && isName(end));
      if (ends)
        break;
      NIBBLE_TRY(ExpressionPtr item, element());
      depth = std::max(depth, item->depth);
      tuple.items.push_back(std::move(item));
    }
    NIBBLE_TRY(first, make(line, std::move(tuple), depth));
  }
  --nesting;
  return first;
}

Parsed<ExpressionPtr> ExpressionParser::list() {
  int line = current().line;
  ListNode node{{}, false};
  uint32_t depth = 0;
  while (!accept("]")) {
    if (!node.items.empty() && !accept(","))
      return unexpected("',' or ']'");
    if (accept("]"))
      break;
    NIBBLE_TRY(ExpressionPtr item, expression());
    depth = std::max(depth, item->depth);
    node.items.push_back(std::move(item));
  }
  return make(line, std::move(node), depth);
}

Parsed<ExpressionPtr> ExpressionParser::dict() {
  int line = current().line;
  DictNode node;
  uint32_t depth = 0;
  while (!accept("}")) {
    if (!node.entries.empty() && !accept(","))
      return unexpected("',' or '}'");
    if (accept("}"))
      break;
    NIBBLE_TRY(ExpressionPtr key, expression());
    if (!accept(":"))
      return unexpected("':'");
    NIBBLE_TRY(ExpressionPtr value, expression());
    depth = std::max({depth, key->depth, value->depth});
    node.entries.emplace_back(std::move(key), std::move(value));
  }
  return make(line, std::move(node), depth);
}

Parsed<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr node) {
  for (;;) {
    if (isOperator(".") || isOperator("[")) {
      NIBBLE_TRY(node, subscript(std::move(node)));
    } else if (accept("(")) {
      NIBBLE_TRY(node, call(std::move(node)));
    } else {
      return node;
    }
  }
}

Parsed<ExpressionPtr> ExpressionParser::subscript(ExpressionPtr object) {
  int line = current().line;
  uint32_t depth = object->depth;
  if (accept(".")) {
    if (current().kind == TokenKind::Integer) {
      NIBBLE_TRY(ExpressionPtr key, number());
      return make(line, SubscriptNode{std::move(object), std::move(key)}, depth);
    }
    if (current().kind != TokenKind::Name)
      return unexpected("a name or a number after '.'");
    std::string name = current().text;
    advance();
    return make(line, AttributeNode{std::move(object), std::move(name)}, depth);
  }
  advance();
  ExpressionPtr parts[3]; // a key, or start, stop and step
  size_t part = 0;
  bool isSlice = false;
  while (!isOperator("]")) {
    if (accept(":")) {
      isSlice = true;
      if (++part > 2)
        return unexpected("']'");
    } else if (parts[part]) {
      return unexpected("']'");
    } else {
      NIBBLE_TRY(parts[part], isSlice ? expression() : tupleOrExpression());
      depth = std::max(depth, parts[part]->depth);
    }
  }
  advance();
  if (isSlice)
    return make(line,
                SliceNode{std::move(object), std::move(parts[0]), std::move(parts[1]), std::move(parts[2])},
                depth);
  if (!parts[0])
    return error("a subscript is empty");
  return make(line, SubscriptNode{std::move(object), std::move(parts[0])}, depth);
}

Parsed<void> ExpressionParser::arguments(ArgumentList &list) {
  for (bool isFirst = true; !accept(")"); isFirst = false) {
    if (!isFirst && !accept(","))
      return unexpected("',' or ')'");
    if (accept(")"))
      break;
    if (accept("**")) {
      NIBBLE_TRY(list.spreadNamed, expression());
    } else if (accept("*")) {
      NIBBLE_TRY(list.spread, expression());
    } else if (current().kind == TokenKind::Name && next().kind == TokenKind::Operator &&
               next().text == "=") {
      std::string name = current().text;
      advance();
      advance();
      NIBBLE_TRY(ExpressionPtr value, expression());
      list.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!list.named.empty() || list.spread || list.spreadNamed)
        return error("a positional argument follows a keyword argument");
      NIBBLE_TRY(ExpressionPtr value, expression());
      list.positional.push_back(std::move(value));
    }
  }
  return {};
}

Parsed<ExpressionPtr> ExpressionParser::call(ExpressionPtr function) {
  int line = current().line;
  CallNode node{std::move(function), {}};
  NIBBLE_CHECK(arguments(node.arguments));
  uint32_t depth = std::max(node.function->depth, depthOf(node.arguments));
  return make(line, std::move(node), depth);
}

Parsed<ExpressionPtr> ExpressionParser::filters(ExpressionPtr input, bool inlined) {
  while (inlined || accept("|")) {
    inlined = false;
    int line = current().line;
    if (current().kind != TokenKind::Name)
      return unexpected("the name of a filter");
    FilterNode node{current().text, findFilter(current().text), std::move(input), {}};
    advance();
    if (accept("("))
      NIBBLE_CHECK(arguments(node.arguments));
    uint32_t depth = std::max(depthOf(node.input), depthOf(node.arguments));
    NIBBLE_TRY(input, make(line, std::move(node), depth));
  }
  return input;
}

Parsed<ExpressionPtr> ExpressionParser::filtersAndTests(ExpressionPtr node) {
  for (;;) {
    if (isOperator("|")) {
      NIBBLE_TRY(node, filters(std::move(node), false));
    } else if (isName("is")) {
      NIBBLE_TRY(node, test(std::move(node)));
    } else if (accept("(")) {
      NIBBLE_TRY(node, call(std::move(node)));
    } else {
      return node;
    }
  }
}

Parsed<ExpressionPtr> ExpressionParser::test(ExpressionPtr subject) {
  int line = current().line;
  advance(); // is
  bool negated = acceptName("not");
  if (current().kind != TokenKind::Name)
    return unexpected("the name of a test");
  const TestEntry *entry = findTest(current().text);
  TestNode node{
      current().text, entry ? entry->test : nullptr, entry ? entry->arity : 0, std::move(subject), {}};
  advance();
  bool opens = isOperator("[") || isOperator("{");
  bool literal = current().kind == TokenKind::Integer || current().kind == TokenKind::Float ||
                 current().kind == TokenKind::String || current().kind == TokenKind::Name;
  if (accept("(")) {
    NIBBLE_CHECK(arguments(node.arguments));
  } else if (isName("is")) {
    return error("tests cannot be chained with 'is'");
  } else if ((literal || opens) && !isName("else") && !isName("or") && !isName("and")) {
    NIBBLE_TRY(ExpressionPtr argument, primary());
    NIBBLE_TRY(argument, postfix(std::move(argument)));
    node.arguments.positional.push_back(std::move(argument));
  }
  uint32_t depth = std::max(node.subject->depth, depthOf(node.arguments));
  NIBBLE_TRY(ExpressionPtr result, make(line, std::move(node), depth));
  if (!negated)
    return result;
  depth = result->depth;
  return make(line, UnaryNode{UnaryOperator::Not, std::move(result)}, depth);
}

} // namespace nibble::jinja
