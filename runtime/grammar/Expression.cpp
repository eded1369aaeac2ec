//===- Expression.cpp - Regular expressions as trees ------------------------------------------===//

#include "Expression.h"

using namespace nibble::grammar;

using Kind = Expression::Kind;

static Expr make(Expression expression) { return std::make_shared<const Expression>(std::move(expression)); }

Expr nibble::grammar::oneOf(CodePointSet set) { return make({Kind::Class, std::move(set)}); }

Expr nibble::grammar::literal(std::string_view text) {
  std::vector<Expr> parts;
  for (size_t at = 0; at < text.size();) {
    auto codePoint = nextCodePoint(text, at);
    if (!codePoint)
      return oneOf({});
    parts.push_back(oneOf({*codePoint, *codePoint}));
  }
  return sequence(std::move(parts));
}

Expr nibble::grammar::range(char first, char last) {
  return oneOf({static_cast<unsigned char>(first), static_cast<unsigned char>(last)});
}

Expr nibble::grammar::sequence(std::vector<Expr> parts) {
  return parts.size() == 1 ? parts[0] : make({Kind::Sequence, {}, std::move(parts)});
}

Expr nibble::grammar::choice(std::vector<Expr> parts) {
  return parts.size() == 1 ? parts[0] : make({Kind::Choice, {}, std::move(parts)});
}

Expr nibble::grammar::repeat(Expr part, uint32_t least, uint32_t most) {
  return make({Kind::Repeat, {}, {std::move(part)}, least, most});
}

Expr nibble::grammar::optional(Expr part) { return repeat(std::move(part), 0, 1); }
Expr nibble::grammar::begin() { return make({Kind::Begin}); }
Expr nibble::grammar::end() { return make({Kind::End}); }
