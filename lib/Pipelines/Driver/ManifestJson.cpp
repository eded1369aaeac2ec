//===- ManifestJson.cpp - The manifest's sections out of the IR -------------------------------===//
#include "lib/Pipelines/Driver/ManifestJson.h"

#include "nibble/Import/ModelBuilder.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace nibble;
using Json = nlohmann::json;

/// A sequence takes memory in advance for as many positions at most, unless the user asks for more.
static constexpr int64_t kLargestDefaultContext = 8192;

static Json toJson(Attribute attribute) {
  if (auto boolean = dyn_cast<BoolAttr>(attribute))
    return boolean.getValue();
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return integer.getInt();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  if (auto text = dyn_cast<StringAttr>(attribute))
    return text.getValue().str();
  if (auto array = dyn_cast<ArrayAttr>(attribute)) {
    Json list = Json::array();
    for (Attribute element : array)
      list.push_back(toJson(element));
    return list;
  }
  Json object = Json::object();
  if (auto dictionary = dyn_cast<DictionaryAttr>(attribute))
    for (NamedAttribute entry : dictionary)
      object[entry.getName().str()] = toJson(entry.getValue());
  return object;
}

Result<Json> nibble::modelJson(ModuleOp module, std::optional<int64_t> context) {
  auto attribute = module->getAttrOfType<DictionaryAttr>(kModelAttribute);
  if (!attribute)
    return nibble::failure(std::string("the module has no attribute ") + kModelAttribute +
                           "; compile it from a checkpoint of its own");
  Json model = toJson(attribute);
  Json generation = model.contains("generation") ? model["generation"] : Json::object();
  model.erase("generation");
  if (!model.contains("context") || !model["context"].is_number_integer())
    return nibble::failure(std::string(kModelAttribute) + " does not say the model's context");
  int64_t most = model["context"].get<int64_t>();
  model["default_context"] = context.value_or(std::min(most, kLargestDefaultContext));
  return Json{{"model", model}, {"generation", generation}};
}

Json nibble::tensorsJson(const WeightSegment &segment, const PrecisionPlan &plan) {
  Json tensors = Json::array();
  for (const PlacedWeight &weight : segment.weights) {
    Json entry = {{"name", weight.name},
                  {"shape", weight.shape},
                  {"format", formatSpelling(weight.format)},
                  {"layout", weight.panels ? "panel" : "plain"},
                  {"offset", weight.offset},
                  {"size", weight.size}};
    if (auto planned = plan.tensors.find(weight.name); planned != plan.tensors.end())
      entry["activations"] = activationsSpelling(planned->second.activations);
    tensors.push_back(std::move(entry));
  }
  return tensors;
}

namespace {

/// The program of one variant: the same dispatches, by the indices of its kernels.
class ProgramWriter {
public:
  ProgramWriter(rt::ProgramOp program, const WeightSegment &weights, const CompiledImage &image)
      : program(program), weights(weights), image(image) {
    for (auto [i, kernel] : llvm::enumerate(image.kernels))
      index[kernel.name] = i;
  }

  Result<Json> write() {
    Json dispatches = Json::array();
    Json logits;
    for (rt::DispatchOp dispatch : program.getBody().getOps<rt::DispatchOp>()) {
      NIBBLE_TRY(Json entry, writeDispatch(dispatch));
      dispatches.push_back(std::move(entry));
    }
    for (rt::BufferOp buffer : program.getBody().getOps<rt::BufferOp>())
      if (buffer.getLabel() == "logits")
        logits = operand(buffer.getResult());
    if (logits.is_null())
      return nibble::failure("the program has no buffer \"logits\"");
    return Json{{"arena", linear(*program.getArena())},
                {"private", *program.getPrivateBytes()},
                {"dispatches", std::move(dispatches)},
                {"logits", std::move(logits)}};
  }

private:
  static Json linear(ArrayRef<int64_t> size) { return Json{size[0], size[1], size[2]}; }

  Json operand(Value value) {
    if (auto cache = value.getDefiningOp<rt::CacheOp>())
      return Json{"cache", cache.getLayer()};
    if (auto weight = value.getDefiningOp<rt::WeightOp>())
      return Json{"weights", weights.weights[weights.index.lookup(weight)].offset};
    auto buffer = value.getDefiningOp<rt::BufferOp>();
    ArrayRef<int64_t> at = *buffer.getOffset();
    if (buffer.getSpace() == rt::Space::Private)
      return Json{"private", *buffer.getPrivateOffset(), at[0], at[1], at[2]};
    return Json{"arena", at[0], at[1], at[2]};
  }

  /// The index of a kernel, or one for each type of cache.
  Result<Json> kernelIndex(StringRef name) {
    if (auto found = index.find(name); found != index.end())
      return Json(found->second);
    Json byType = Json::object();
    for (const char *type : {"f32", "f16", "bf16", "int8"})
      if (auto found = index.find((name + "." + type).str()); found != index.end())
        byType[type] = found->second;
    if (byType.empty())
      return nibble::failure(name.str() + ": this kernel was not compiled for " + image.target.name);
    return byType;
  }

  Result<Json> writeDispatch(rt::DispatchOp dispatch) {
    NIBBLE_TRY(Json kernel, kernelIndex(dispatch.getKernel()));
    Json operands = Json::array();
    for (Value value : dispatch.getOperands())
      operands.push_back(operand(value));
    // One without outputs writes the cache, which is everyone's.
    bool isPrivate = !dispatch.getOutputs().empty() && llvm::all_of(dispatch.getOutputs(), [](Value output) {
      return output.getDefiningOp<rt::BufferOp>().getSpace() == rt::Space::Private;
    });
    return Json{{"kernel", std::move(kernel)},
                {"operands", std::move(operands)},
                {"private", isPrivate},
                {"name", dispatch.getLabel().value_or(dispatch.getKernel()).str()},
                {"barrier", rt::stringifyBarrier(dispatch.getBarrier()).str()}};
  }

  rt::ProgramOp program;
  const WeightSegment &weights;
  const CompiledImage &image;
  llvm::StringMap<size_t> index;
};

} // namespace

Result<Json> nibble::variantJson(rt::ProgramOp program, const WeightSegment &weights,
                                 const CompiledImage &image, uint32_t codeSegment) {
  Json kernels = Json::array();
  for (const CompiledKernel &kernel : image.kernels) {
    Json entry = {{"name", kernel.name},   {"family", kernel.family},   {"entry", kernel.entry},
                  {"items", kernel.items}, {"scratch", kernel.scratch}, {"size", kernel.size}};
    if (!kernel.cache.empty())
      entry["cache"] = kernel.cache;
    kernels.push_back(std::move(entry));
  }
  NIBBLE_TRY(Json programEntry, ProgramWriter(program, weights, image).write());
  return Json{{"target", image.target.name},    {"tuned_for", image.target.tuning.spelling()},
              {"features", image.target.needs}, {"segment", codeSegment},
              {"kernels", std::move(kernels)},  {"program", std::move(programEntry)}};
}
