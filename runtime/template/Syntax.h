//===- Syntax.h - The syntax tree of a template -------------------------------------*- C++ -*-===//
//
// Plain structs, one a construct, built by the parser and never changed. Every expression knows how deep it
// is, and the parser refuses deep ones, so that walking and freeing a tree may recurse.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/template/Value.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace nibble::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;
struct Statement;
using Body = std::vector<Statement>;

/// A test such as `is divisibleby 3`: subject and arguments; the answer.
using Test = Result<bool> (*)(Evaluator &, const Value &subject, const std::vector<Value> &arguments);

struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr spread;      // *args
  ExpressionPtr spreadNamed; // **kwargs
};

struct ConstantNode {
  Value value;
};
struct NameNode {
  std::string name;
};
struct ListNode {
  std::vector<ExpressionPtr> items;
  bool isTuple;
};
struct DictNode {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct AttributeNode {
  ExpressionPtr object;
  std::string name;
};
struct SubscriptNode {
  ExpressionPtr object, key;
};
struct SliceNode {
  ExpressionPtr object, start, stop, step; // the last three may be null
};
struct CallNode {
  ExpressionPtr function;
  ArgumentList arguments;
};
struct FilterNode {
  std::string name;
  Function function;   // null where no such filter exists: an error if it is reached
  ExpressionPtr input; // null at the head of a filter block
  ArgumentList arguments;
};
struct TestNode {
  std::string name;
  Test test; // null where no such test exists
  size_t arity;
  ExpressionPtr subject;
  ArgumentList arguments;
};
enum class UnaryOperator { Not, Minus, Plus };
struct UnaryNode {
  UnaryOperator op;
  ExpressionPtr operand;
};
struct BinaryNode {
  std::string op; // + - * / // % **
  ExpressionPtr left, right;
};
struct LogicNode {
  bool isAnd;
  ExpressionPtr left, right;
};
struct ConcatNode {
  std::vector<ExpressionPtr> parts;
};
struct CompareNode { // a < b <= c: each pair is compared, each operand evaluated once
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;
};
struct ConditionalNode {
  ExpressionPtr condition, then, otherwise; // otherwise may be null: undefined
};

struct Expression {
  int line;
  uint32_t depth;
  std::variant<ConstantNode, NameNode, ListNode, DictNode, AttributeNode, SubscriptNode, SliceNode, CallNode,
               FilterNode, TestNode, UnaryNode, BinaryNode, LogicNode, ConcatNode, CompareNode,
               ConditionalNode>
      node;
};

/// What `set` and `for` assign to: a name, an attribute of a namespace, or several of them.
struct Target {
  std::string name;
  std::string attribute; // of the namespace `name`; empty otherwise
  std::vector<Target> elements;
};

struct TextStatement {
  std::string text;
};
struct OutputStatement {
  ExpressionPtr value;
};
struct IfStatement {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct ForStatement {
  Target target;
  ExpressionPtr iterable, filter; // filter may be null
  Body body, otherwise;
};
struct SetStatement {
  Target target;
  ExpressionPtr value;
};
struct SetBlockStatement {
  Target target;
  ExpressionPtr filter; // a chain of FilterNodes, or null
  Body body;
};
struct MacroStatement {
  std::string name;                                              // empty for the body of a call block
  std::vector<std::pair<std::string, ExpressionPtr>> parameters; // default or null
  Body body;
  bool usesVarargs = false, usesKwargs = false, usesCaller = false;
};
struct CallBlockStatement { // {% call(args) f() %}: f with this body as `caller`
  ExpressionPtr call;
  MacroStatement caller;
};
struct FilterBlockStatement {
  ExpressionPtr filter;
  Body body;
};
struct WithStatement {
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};
struct GenerationStatement { // marks the assistant's tokens for training; renders its body
  Body body;
};
struct BreakStatement {};
struct ContinueStatement {};

struct Statement {
  int line;
  std::variant<TextStatement, OutputStatement, IfStatement, ForStatement, SetStatement, SetBlockStatement,
               MacroStatement, CallBlockStatement, FilterBlockStatement, WithStatement, GenerationStatement,
               BreakStatement, ContinueStatement>
      node;
};

struct Program {
  std::string name; // for errors
  Body body;
  std::set<std::string, std::less<>> names; // every name that is read
};

} // namespace nibble::jinja
