//===- LowbitDialect.cpp - Attributes and types of the quantization dialect -------------------===//
//
// Assembly and verification of formats, packed weights and quantized rows.
//
//===------------------------------------------------------------------------------------------===//
#include "dialects/Lowbit/Lowbit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nibble::lowbit;

#include "dialects/Lowbit/LowbitDialect.cpp.inc"
#include "dialects/Lowbit/LowbitEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Lowbit/LowbitAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Lowbit/LowbitTypes.cpp.inc"

void LowbitDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Lowbit/LowbitAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Lowbit/LowbitTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Lowbit/LowbitOps.cpp.inc"
      >();
}

/// Parses one of an enumeration's keywords.
template <typename Enum>
static FailureOr<Enum> parseKeyword(AsmParser &parser, std::optional<Enum> (*symbolize)(StringRef),
                                    StringRef what) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  if (std::optional<Enum> value = symbolize(keyword))
    return *value;
  parser.emitError(loc) << "'" << keyword << "' is not " << what;
  return failure();
}

//===------------------------------------------------------------------------------------------------------===//
// FormatAttr
//===------------------------------------------------------------------------------------------------------===//

bool FormatAttr::isFloat() const {
  return getElement() == ElementKind::F32 || getElement() == ElementKind::F16 ||
         getElement() == ElementKind::BF16;
}

bool FormatAttr::isCodebook() const { return getElement() >= ElementKind::NF4; }

unsigned FormatAttr::getBits() const {
  switch (getElement()) {
  case ElementKind::F32:
    return 32;
  case ElementKind::F16:
  case ElementKind::BF16:
    return 16;
  case ElementKind::Int8:
    return 8;
  case ElementKind::Int4:
  case ElementKind::NF4:
  case ElementKind::FP4:
  case ElementKind::E2M1:
  case ElementKind::IQ4:
    return 4;
  }
  llvm_unreachable("all elements have bits");
}

int32_t FormatAttr::getBias() const {
  if (isCodebook())
    return 128;
  return isFloat() || getZero() != ZeroKind::None ? 0 : 1 << (getBits() - 1);
}

std::string FormatAttr::getSpelling() const {
  std::string text = stringifyElementKind(getElement()).str();
  if (isFloat())
    return text;
  text += getGroup() == 0 ? "-channel" : "-g" + std::to_string(getGroup());
  if (getZero() != ZeroKind::None)
    text += getZero() == ZeroKind::Integer ? "-zero" : "-min";
  return text;
}

Attribute FormatAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  SMLoc loc = parser.getCurrentLocation();
  auto element = parseKeyword<ElementKind>(parser, symbolizeElementKind,
                                           "an element (f32, f16, bf16, int4, int8, nf4, fp4, e2m1, iq4)");
  if (failed(element))
    return {};
  uint32_t group = 0;
  FailureOr<ZeroKind> zero = ZeroKind::None;
  if (succeeded(parser.parseOptionalComma())) {
    StringRef scale;
    SMLoc scaleLoc;
    if (parser.parseKeyword("group") || parser.parseEqual() || parser.parseInteger(group) ||
        parser.parseComma() || parser.parseKeyword("scale") || parser.parseEqual() ||
        parser.getCurrentLocation(&scaleLoc) || parser.parseKeyword(&scale))
      return {};
    if (scale != "f16") {
      parser.emitError(scaleLoc) << "scales are f16, found '" << scale << "'";
      return {};
    }
    if (parser.parseComma() || parser.parseKeyword("zero") || parser.parseEqual())
      return {};
    zero = parseKeyword<ZeroKind>(parser, symbolizeZeroKind, "a zero point (none, int, min)");
    if (failed(zero))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<FormatAttr>(loc, parser.getContext(), *element, group, *zero);
}

void FormatAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyElementKind(getElement());
  if (!isFloat())
    printer << ", group = " << getGroup() << ", scale = f16, zero = " << stringifyZeroKind(getZero());
  printer << ">";
}

LogicalResult FormatAttr::verify(function_ref<InFlightDiagnostic()> emitError, ElementKind element,
                                 uint32_t group, ZeroKind zero) {
  bool isFloat = element < ElementKind::Int4, isCodebook = element >= ElementKind::NF4;
  if (isFloat && (group != 0 || zero != ZeroKind::None))
    return emitError() << "a float format has neither groups nor zero points";
  if (isCodebook && zero != ZeroKind::None)
    return emitError() << "a codebook has no zero points";
  if (!isFloat && group != 0 && group != 32 && group != 64 && group != 128)
    return emitError() << "a group is 32, 64 or 128 columns, or 0 for the whole row; found " << group;
  return success();
}

LogicalResult UnpermuteRowsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads) {
  if (heads <= 0)
    return emitError() << "rows are un-permuted within a positive number of heads, found " << heads;
  return success();
}

//===------------------------------------------------------------------------------------------------------===//
// PackedType
//===------------------------------------------------------------------------------------------------------===//

Type PackedType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  FormatAttr format;
  FailureOr<LayoutKind> layout = LayoutKind::Rows;
  if (parser.parseLess())
    return {};
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseDimensionList(shape, /*allowDynamic=*/false, /*withTrailingX=*/false) ||
      parser.parseComma())
    return {};
  if (shape.size() != 2) {
    parser.emitError(loc) << "a packed weight has two dimensions, found " << shape.size();
    return {};
  }
  format = dyn_cast_or_null<FormatAttr>(FormatAttr::parse(parser, Type()));
  if (!format)
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    layout = parseKeyword<LayoutKind>(parser, symbolizeLayoutKind, "a layout (rows, panel)");
    if (failed(layout))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<PackedType>(loc, parser.getContext(), shape[0], shape[1], format, *layout);
}

void PackedType::print(AsmPrinter &printer) const {
  printer << "<" << getRows() << "x" << getColumns() << ", ";
  getFormat().print(printer);
  if (getLayout() != LayoutKind::Rows)
    printer << ", " << stringifyLayoutKind(getLayout());
  printer << ">";
}

LogicalResult PackedType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t columns,
                                 FormatAttr, LayoutKind) {
  if (rows <= 0 || columns <= 0)
    return emitError() << "a packed weight has positive dimensions, found " << rows << "x" << columns;
  return success();
}

//===------------------------------------------------------------------------------------------------------===//
// RowsType
//===------------------------------------------------------------------------------------------------------===//

bool RowsType::isInteger() const { return lowbit::isInteger(getActivations()); }

int64_t RowsType::getPlanes() const { return getActivations() == ActivationKind::Int16 ? 2 : 1; }

int64_t RowsType::getRecordBytes() const {
  return 32 * getPlanes() + 4 * getBiases().size() + 4 + (getSums() ? 4 : 0);
}

int64_t RowsType::getRowBytes() const {
  if (isInteger())
    return getPaddedColumns() / 32 * getRecordBytes();
  return getPaddedColumns() * (getActivations() == ActivationKind::BF16 ? 2 : 4);
}

Type RowsType::parse(AsmParser &parser) {
  int64_t columns = 0;
  SmallVector<int32_t> biases;
  bool sums = false;
  if (parser.parseLess())
    return {};
  SMLoc loc = parser.getCurrentLocation();
  auto count = parseKeyword<RowCount>(parser, symbolizeRowCount, "a number of rows (tokens, logits)");
  if (failed(count) || parser.parseKeyword("x") || parser.parseInteger(columns) || parser.parseComma())
    return {};
  auto activations = parseKeyword<ActivationKind>(parser, symbolizeActivationKind,
                                                  "a precision of rows (f32, bf16, int8, int16)");
  if (failed(activations))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("sums"))) {
      sums = true;
      break;
    }
    if (parser.parseKeyword("bias") || parser.parseEqual() ||
        parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
          return parser.parseInteger(biases.emplace_back());
        }))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<RowsType>(loc, parser.getContext(), *count, columns, *activations,
                                     ArrayRef(biases), sums);
}

void RowsType::print(AsmPrinter &printer) const {
  printer << "<" << stringifyRowCount(getCount()) << " x " << getColumns() << ", "
          << stringifyActivationKind(getActivations());
  if (!getBiases().empty()) {
    printer << ", bias = [";
    llvm::interleaveComma(getBiases(), printer);
    printer << "]";
  }
  if (getSums())
    printer << ", sums";
  printer << ">";
}

LogicalResult RowsType::verify(function_ref<InFlightDiagnostic()> emitError, RowCount, int64_t columns,
                               ActivationKind activations, ArrayRef<int32_t> biases, bool sums) {
  if (columns <= 0)
    return emitError() << "rows have a positive number of columns, found " << columns;
  if (!lowbit::isInteger(activations))
    return biases.empty() && !sums ? success() : emitError() << "only integer rows have biases and sums";
  if (biases.empty())
    return emitError() << "integer rows need the biases of the weights that read them";
  for (auto [i, bias] : llvm::enumerate(biases))
    if (i && biases[i - 1] >= bias)
      return emitError() << "biases are in ascending order, each once";
  return success();
}
