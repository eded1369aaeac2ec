//===- ExpressionParser.h - Expressions by precedence -------------------------------*- C++ -*-===//
//
// One method a level of Jinja's grammar, from `a if b else c` down to literals. Filters and tests bind
// tighter than arithmetic and looser than a sign: -1|abs is (-1)|abs, 2**x|abs is 2**(x|abs).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/template/Lexer.h"
#include "runtime/template/Syntax.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace nibble::jinja {

template <typename T> using Parsed = tl::expected<T, SourceError>;

/// Names whose mere mention in a macro changes its signature.
struct SpecialNames {
  bool varargs = false, kwargs = false, caller = false;
};

class ExpressionParser {
public:
  ExpressionParser(std::vector<Token> tokens, std::set<std::string, std::less<>> &names)
      : tokens(std::move(tokens)), names(names) {}

protected:
  Parsed<ExpressionPtr> expression();
  /// `a, b` makes a tuple. Without `conditional`, `if` is left to the caller; `end` is a name that ends the
  /// list.
  Parsed<ExpressionPtr> tupleOrExpression(bool conditional = true, std::string_view end = "");
  /// Filters after `input`; where `inlined`, the first has no bar before it (as in a filter block).
  Parsed<ExpressionPtr> filters(ExpressionPtr input, bool inlined);

  const Token &current() const { return tokens[at]; }
  const Token &next() const { return tokens[std::min(at + 1, tokens.size() - 1)]; }
  void advance() { at = std::min(at + 1, tokens.size() - 1); }
  bool isOperator(std::string_view text) const {
    return current().kind == TokenKind::Operator && current().text == text;
  }
  bool isName(std::string_view text) const {
    return current().kind == TokenKind::Name && current().text == text;
  }
  bool accept(std::string_view op);
  bool acceptName(std::string_view name);
  tl::unexpected<SourceError> error(std::string message) const;
  tl::unexpected<SourceError> unexpected(std::string_view expected) const;

  SpecialNames special;

private:
  Parsed<ExpressionPtr> conditional();
  Parsed<ExpressionPtr> disjunction();
  Parsed<ExpressionPtr> conjunction();
  Parsed<ExpressionPtr> negation();
  Parsed<ExpressionPtr> comparison();
  Parsed<ExpressionPtr> sum();
  Parsed<ExpressionPtr> concatenation();
  Parsed<ExpressionPtr> product();
  Parsed<ExpressionPtr> power();
  Parsed<ExpressionPtr> unary(bool withFilters);
  Parsed<ExpressionPtr> primary();
  Parsed<ExpressionPtr> nameOrConstant();
  Parsed<ExpressionPtr> number();
  Parsed<ExpressionPtr> parenthesized();
  Parsed<ExpressionPtr> list();
  Parsed<ExpressionPtr> dict();
  Parsed<ExpressionPtr> postfix(ExpressionPtr node);
  Parsed<ExpressionPtr> subscript(ExpressionPtr object);
  Parsed<ExpressionPtr> call(ExpressionPtr function);
  Parsed<ExpressionPtr> filtersAndTests(ExpressionPtr node);
  Parsed<ExpressionPtr> test(ExpressionPtr subject);
  Parsed<void> arguments(ArgumentList &list); // after its "("

  /// Gives a node its place in the tree and refuses one that is too deep.
  template <typename Node> Parsed<ExpressionPtr> make(int line, Node node, uint32_t childDepth);

  std::vector<Token> tokens;
  size_t at = 0;
  uint32_t nesting = 0;
  std::set<std::string, std::less<>> &names;
};

} // namespace nibble::jinja
