//===- FeedForward.cpp - llm.glu, llm.moe -----------------------------------------------------===//
#include "nibble/Reference/Kernels.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

using namespace nibble::reference;

double nibble::reference::activate(Activation activation, double x) {
  switch (activation) {
  case Activation::Silu:
    return x / (1 + std::exp(-x));
  case Activation::Gelu:
    return x * (1 + std::erf(x / std::numbers::sqrt2)) / 2;
  case Activation::GeluTanh:
    return x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) / 2;
  }
  return x;
}

Matrix nibble::reference::glu(Activation activation, const Matrix &gate, const Matrix &up) {
  Matrix y(gate.rows, gate.columns);
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = activate(activation, gate.data[i]) * up.data[i];
  return y;
}

/// Rows begin .. begin + count - 1.
static Matrix slice(const Matrix &m, int64_t begin, int64_t count) {
  auto first = m.data.begin() + begin * m.columns;
  return Matrix(count, m.columns, std::vector<double>(first, first + count * m.columns));
}

static void softmax(std::span<double> x) {
  double largest = *std::max_element(x.begin(), x.end()), sum = 0;
  for (double &value : x)
    sum += value = std::exp(value - largest);
  for (double &value : x)
    value /= sum;
}

Matrix nibble::reference::mixtureOfExperts(Activation activation, const Matrix &x, const Experts &experts) {
  int64_t count = experts.router.rows, hidden = experts.gate.rows / count;
  Matrix probabilities = linear(x, experts.router), y(x.rows, x.columns);
  for (int64_t t = 0; t < x.rows; ++t) {
    std::span<double> p = probabilities.row(t);
    softmax(p);
    std::vector<int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return p[a] > p[b] || (p[a] == p[b] && a < b); });
    order.resize(experts.perToken);
    double sum = 0;
    for (int64_t e : order)
      sum += p[e];
    Matrix token = slice(x, t, 1);
    for (int64_t e : order) {
      Matrix inner = glu(activation, linear(token, slice(experts.gate, e * hidden, hidden)),
                         linear(token, slice(experts.up, e * hidden, hidden)));
      Matrix outer = linear(inner, slice(experts.down, e * x.columns, x.columns));
      for (int64_t i = 0; i < x.columns; ++i)
        y.row(t)[i] += p[e] / (experts.normalize ? sum : 1) * outer.data[i];
    }
  }
  return y;
}
