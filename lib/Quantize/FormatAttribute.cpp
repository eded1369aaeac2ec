//===- FormatAttribute.cpp - Between Format and #lowbit.format --------------------------------===//
#include "nibble/Quantize/FormatAttribute.h"

using namespace nibble;

/// Both enumerations list the same elements and zero points in the same order.
static_assert(int(lowbit::ElementKind::F32) == int(Element::F32) &&
              int(lowbit::ElementKind::F16) == int(Element::F16) &&
              int(lowbit::ElementKind::BF16) == int(Element::BF16) &&
              int(lowbit::ElementKind::Int4) == int(Element::Int4) &&
              int(lowbit::ElementKind::Int8) == int(Element::Int8) &&
              int(lowbit::ElementKind::NF4) == int(Element::NF4) &&
              int(lowbit::ElementKind::FP4) == int(Element::FP4) &&
              int(lowbit::ElementKind::E2M1) == int(Element::E2M1) &&
              int(lowbit::ElementKind::IQ4) == int(Element::IQ4));
static_assert(int(lowbit::ZeroKind::None) == int(Zero::None) &&
              int(lowbit::ZeroKind::Integer) == int(Zero::Integer) &&
              int(lowbit::ZeroKind::Minimum) == int(Zero::Minimum));
static_assert(int(lowbit::ActivationKind::F32) == int(Activations::F32) &&
              int(lowbit::ActivationKind::Int8) == int(Activations::Int8) &&
              int(lowbit::ActivationKind::Int16) == int(Activations::Int16) &&
              int(lowbit::ActivationKind::BF16) == int(Activations::BF16));

Format nibble::plainFormat(lowbit::FormatAttr format) {
  return {static_cast<Element>(format.getElement()), format.getGroup(), static_cast<Zero>(format.getZero())};
}

lowbit::FormatAttr nibble::formatAttribute(mlir::MLIRContext *context, const Format &format) {
  return lowbit::FormatAttr::get(context, static_cast<lowbit::ElementKind>(format.element), format.group,
                                 static_cast<lowbit::ZeroKind>(format.zero));
}

Activations nibble::plainActivations(lowbit::ActivationKind activations) {
  return static_cast<Activations>(activations);
}

lowbit::ActivationKind nibble::activationKind(Activations activations) {
  return static_cast<lowbit::ActivationKind>(activations);
}
