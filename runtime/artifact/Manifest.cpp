//===- Manifest.cpp - What an artifact says about itself --------------------------------------===//

#include "nibble/runtime/Manifest.h"
#include "nibble/runtime/ArtifactFormat.h"
#include "nibble/runtime/Json.h"
#include "nibble/runtime/KernelABI.h"

using namespace nibble;

// Bounds that no model reaches and that keep every product of two of them inside 64 bits.
static constexpr uint64_t kMostPositions = 1u << 28;
static constexpr uint64_t kMostTokens = 1u << 24;
static constexpr uint64_t kMostDimension = 1u << 20;
static constexpr uint64_t kMostBytesPerUnit = 1ull << 32;
static constexpr uint64_t kMostBytes = 1ull << 46;
static constexpr uint64_t kOperandAlignment = 64;

std::string_view nibble::cacheTypeName(CacheType type) {
  switch (type) {
  case CacheType::F32:
    return "f32";
  case CacheType::F16:
    return "f16";
  case CacheType::BF16:
    return "bf16";
  case CacheType::Int8:
    return "int8";
  }
  return "?";
}

uint32_t nibble::cacheTypeSize(CacheType type) {
  return type == CacheType::F32 ? 4 : type == CacheType::Int8 ? 1 : 2;
}

uint64_t nibble::cacheRowBytes(CacheType type, uint64_t headDim) {
  return headDim * cacheTypeSize(type) + (type == CacheType::Int8 ? sizeof(float) : 0);
}

Result<CacheType> nibble::parseCacheType(std::string_view name) {
  for (CacheType type : {CacheType::F32, CacheType::F16, CacheType::BF16, CacheType::Int8})
    if (cacheTypeName(type) == name)
      return type;
  return failure("'" + std::string(name) + "' is not a type of KV cache; use f32, f16, bf16 or int8");
}

const SegmentInfo *Manifest::segment(std::string_view name) const {
  for (const SegmentInfo &segment : segments)
    if (segment.name == name)
      return &segment;
  return nullptr;
}

namespace {

/// One pass over the JSON document; the methods are its sections in order.
class ManifestParser {
public:
  ManifestParser(const JsonCursor &root, uint64_t manifestOffset)
      : root(root), manifestOffset(manifestOffset) {}

  Manifest parse() {
    uint64_t format = root["format"].number(UINT32_MAX);
    uint64_t abi = root["abi"].number(UINT32_MAX);
    if (format != kArtifactVersion)
      root["format"].fail("is " + std::to_string(format) + "; this runtime reads " +
                          std::to_string(kArtifactVersion) + "; compile the checkpoint again");
    if (abi != kKernelABIVersion)
      root["abi"].fail("is " + std::to_string(abi) + "; this runtime has " +
                       std::to_string(kKernelABIVersion) + "; compile the checkpoint again");
    if (root.has("nibble"))
      manifest.compiler = root["nibble"].text();
    parseModel(root["model"]);
    if (root.has("generation"))
      parseGeneration(root["generation"]);
    parseCache(root["cache"]);
    parseSegments(root["segments"]);
    JsonCursor variants = root["variants"];
    for (size_t i = 0, count = variants.size(); i < count; ++i)
      manifest.variants.push_back(parseVariant(variants[i]));
    if (root.has("tensors"))
      parseTensors(root["tensors"]);
    if (root.has("plan"))
      manifest.plan = *root["plan"].value();
    return std::move(manifest);
  }

private:
  JsonCursor root;
  uint64_t manifestOffset;
  Manifest manifest;
  uint64_t weightsSize = 0;

  uint32_t dimension(const JsonCursor &at) {
    uint64_t value = at.number(kMostDimension);
    if (value == 0)
      at.fail("is 0; expected at least 1");
    return static_cast<uint32_t>(value);
  }

  void parseModel(const JsonCursor &at) {
    ModelInfo &model = manifest.model;
    model.architecture = at["architecture"].text();
    if (at.has("name"))
      model.name = at["name"].text();
    model.layers = dimension(at["layers"]);
    model.hidden = dimension(at["hidden"]);
    model.heads = dimension(at["heads"]);
    model.kvHeads = dimension(at["kv_heads"]);
    model.headDim = dimension(at["head_dim"]);
    model.vocabulary = static_cast<uint32_t>(at["vocabulary"].number(kMostTokens));
    if (model.vocabulary == 0)
      at["vocabulary"].fail("is 0; expected at least 1");
    model.context = static_cast<uint32_t>(at["context"].number(kMostPositions));
    if (model.context == 0)
      at["context"].fail("is 0; expected at least 1");
    model.defaultContext = at.has("default_context")
                               ? static_cast<uint32_t>(at["default_context"].number(model.context))
                               : model.context;
    if (model.defaultContext == 0)
      at["default_context"].fail("is 0; expected at least 1");
    if (at.has("parameters"))
      model.parameters = at["parameters"].number();
    int64_t lastToken = static_cast<int64_t>(model.vocabulary) - 1;
    if (at.has("bos_token_id"))
      model.bosToken = static_cast<int32_t>(at["bos_token_id"].integer(-1, lastToken));
    if (at.has("eos_token_ids")) {
      JsonCursor ids = at["eos_token_ids"];
      for (size_t i = 0, count = ids.size(); i < count; ++i)
        model.eosTokens.push_back(static_cast<int32_t>(ids[i].integer(0, lastToken)));
    }
  }

  void parseGeneration(const JsonCursor &at) {
    GenerationDefaults &values = manifest.generation;
    if (at.has("do_sample"))
      values.sample = at["do_sample"].boolean();
    if (at.has("temperature"))
      values.temperature = static_cast<float>(at["temperature"].real());
    if (at.has("top_k"))
      values.topK = static_cast<uint32_t>(at["top_k"].number(UINT32_MAX));
    if (at.has("top_p"))
      values.topP = static_cast<float>(at["top_p"].real());
    if (at.has("min_p"))
      values.minP = static_cast<float>(at["min_p"].real());
    if (at.has("repetition_penalty"))
      values.repetitionPenalty = static_cast<float>(at["repetition_penalty"].real());
  }

  CacheType cacheType(const JsonCursor &at) {
    std::string text = at.text();
    auto type = parseCacheType(text);
    if (!type)
      at.fail(type.error().message);
    return type.value_or(CacheType::F32);
  }

  void parseCache(const JsonCursor &at) {
    JsonCursor types = at["types"];
    for (size_t i = 0, count = types.size(); i < count; ++i)
      manifest.cacheTypes.push_back(cacheType(types[i]));
    manifest.defaultCache = cacheType(at["default"]);
    for (CacheType type : manifest.cacheTypes)
      if (type == manifest.defaultCache)
        return;
    at["default"].fail("is not among the types");
  }

  void parseSegments(const JsonCursor &at) {
    for (size_t i = 0, count = at.size(); i < count; ++i) {
      JsonCursor entry = at[i];
      SegmentInfo segment;
      segment.name = entry["name"].text();
      if (entry.has("target"))
        segment.target = entry["target"].text();
      segment.offset = entry["offset"].number(manifestOffset);
      segment.size = entry["size"].number();
      if (segment.size > manifestOffset - segment.offset)
        entry["size"].fail("reaches past the end of the segments");
      if (segment.offset % kSegmentAlignment != 0)
        entry["offset"].fail("is " + std::to_string(segment.offset) + "; expected a multiple of " +
                             std::to_string(kSegmentAlignment));
      if (!parseHexDigits(entry["sha256"].text(), segment.hash))
        entry["sha256"].fail("expected 64 hexadecimal digits");
      if (segment.name == "weights") {
        if (manifest.segment("weights"))
          entry["name"].fail("is a second segment of weights");
        weightsSize = segment.size;
      }
      manifest.segments.push_back(std::move(segment));
    }
    if (!manifest.segment("weights"))
      at.fail("there is no segment \"weights\"");
  }

  VariantInfo parseVariant(const JsonCursor &at) {
    VariantInfo variant;
    variant.target = at["target"].text();
    if (at.has("tuned_for"))
      variant.tunedFor = at["tuned_for"].text();
    JsonCursor features = at["features"];
    for (size_t i = 0, count = features.size(); i < count; ++i)
      variant.features.push_back(features[i].text());
    uint64_t segment = at["segment"].number(UINT32_MAX);
    if (segment >= manifest.segments.size() || manifest.segments[segment].name != "code") {
      at["segment"].fail("is " + std::to_string(segment) + "; expected the index of a code segment");
      return variant;
    }
    variant.segment = static_cast<uint32_t>(segment);
    uint64_t imageSize = manifest.segments[segment].size;
    JsonCursor kernels = at["kernels"];
    for (size_t i = 0, count = kernels.size(); i < count; ++i)
      variant.kernels.push_back(parseKernel(kernels[i], imageSize));
    parseProgram(at["program"], variant);
    return variant;
  }

  KernelInfo parseKernel(const JsonCursor &at, uint64_t imageSize) {
    KernelInfo kernel;
    kernel.name = at["name"].text();
    if (at.has("family"))
      kernel.family = at["family"].text();
    uint64_t last = imageSize ? imageSize - 1 : 0;
    kernel.entry = at["entry"].number(last);
    kernel.items = at["items"].number(last);
    kernel.scratch = at["scratch"].number(kMostBytesPerUnit);
    if (at.has("size"))
      kernel.size = at["size"].number(imageSize);
    return kernel;
  }

  BudgetSize budgetSize(const JsonCursor &at, size_t first, const BudgetSize &most) {
    BudgetSize size;
    size.perToken = at[first].number(most.perToken);
    size.perRow = at[first + 1].number(most.perRow);
    size.bytes = at[first + 2].number(most.bytes);
    if ((size.perToken | size.perRow | size.bytes) % kOperandAlignment != 0)
      at.fail("its sizes are not all multiples of 64");
    return size;
  }

  OperandInfo parseOperand(const JsonCursor &at, const ProgramInfo &program) {
    OperandInfo operand;
    std::string kind = at[size_t{0}].text();
    auto expectSize = [&](size_t size) {
      if (at.isArray() && at.size() != size)
        at.fail("has " + std::to_string(at.size()) + " elements; expected " + std::to_string(size));
    };
    if (kind == "arena") {
      operand.kind = OperandInfo::Kind::Arena;
      expectSize(4);
      operand.arena = budgetSize(at, 1, program.arena);
    } else if (kind == "private") {
      operand.kind = OperandInfo::Kind::Private;
      expectSize(5);
      operand.offset = at[1].number(program.privateBytes);
      if (operand.offset % kOperandAlignment != 0)
        at[1].fail("is not a multiple of 64");
      operand.arena = budgetSize(at, 2, program.arena);
    } else if (kind == "weights") {
      operand.kind = OperandInfo::Kind::Weights;
      expectSize(2);
      operand.offset = at[1].number(weightsSize);
      if (operand.offset % kOperandAlignment != 0)
        at[1].fail("is not a multiple of 64");
    } else if (kind == "cache") {
      operand.kind = OperandInfo::Kind::Cache;
      expectSize(2);
      operand.offset = at[1].number(manifest.model.layers ? manifest.model.layers - 1 : 0);
    } else {
      at.fail("is of kind '" + kind + "'; expected arena, private, weights or cache");
    }
    return operand;
  }

  void parseProgram(const JsonCursor &at, VariantInfo &variant) {
    ProgramInfo &program = variant.program;
    program.arena = budgetSize(at["arena"], 0, {kMostBytesPerUnit, kMostBytesPerUnit, kMostBytes});
    program.privateBytes = at["private"].number(kMostBytesPerUnit);
    JsonCursor dispatches = at["dispatches"];
    for (size_t i = 0, count = dispatches.size(); i < count; ++i)
      program.dispatches.push_back(parseDispatch(dispatches[i], variant));
    program.logits = parseOperand(at["logits"], program);
    if (program.logits.kind != OperandInfo::Kind::Arena)
      at["logits"].fail("expected an operand in the arena");
    // The runtime itself reads rows at multiples of 64 bytes, as many as the budget of rows.
    uint64_t row = (manifest.model.vocabulary * sizeof(float) + kOperandAlignment - 1) / kOperandAlignment *
                   kOperandAlignment;
    if (row > program.arena.perRow - program.logits.arena.perRow)
      at["logits"].fail("rows of " + std::to_string(row) + " bytes do not fit the arena");
  }

  DispatchInfo parseDispatch(const JsonCursor &at, const VariantInfo &variant) {
    DispatchInfo dispatch;
    uint64_t lastKernel = variant.kernels.empty() ? 0 : variant.kernels.size() - 1;
    if (variant.kernels.empty())
      at["kernel"].fail("there are no kernels");
    JsonCursor kernel = at["kernel"];
    std::fill_n(dispatch.kernel, kCacheTypes, UINT32_MAX);
    for (CacheType type : manifest.cacheTypes) {
      JsonCursor index = kernel.isObject() ? kernel[std::string(cacheTypeName(type)).c_str()] : kernel;
      dispatch.kernel[static_cast<size_t>(type)] = static_cast<uint32_t>(index.number(lastKernel));
    }
    JsonCursor operands = at["operands"];
    for (size_t i = 0, count = operands.size(); i < count; ++i)
      dispatch.operands.push_back(parseOperand(operands[i], variant.program));
    if (at.has("private"))
      dispatch.isPrivate = at["private"].boolean();
    dispatch.name = at.has("name") ? at["name"].text() : std::string();
    if (dispatch.name.empty() && dispatch.kernel[static_cast<size_t>(manifest.defaultCache)] <= lastKernel &&
        !variant.kernels.empty())
      dispatch.name = variant.kernels[dispatch.kernel[static_cast<size_t>(manifest.defaultCache)]].name;
    std::string barrier = at["barrier"].text();
    if (barrier == "always")
      dispatch.barrier = BarrierKind::Always;
    else if (barrier == "shared")
      dispatch.barrier = BarrierKind::Shared;
    else if (barrier == "never")
      dispatch.barrier = BarrierKind::Never;
    else
      at["barrier"].fail("is '" + barrier + "'; expected always, shared or never");
    return dispatch;
  }

  void parseTensors(const JsonCursor &at) {
    for (size_t i = 0, count = at.size(); i < count; ++i) {
      JsonCursor entry = at[i];
      TensorInfo tensor;
      tensor.name = entry["name"].text();
      tensor.format = entry["format"].text();
      if (entry.has("layout"))
        tensor.layout = entry["layout"].text();
      if (entry.has("activations"))
        tensor.activations = entry["activations"].text();
      JsonCursor shape = entry["shape"];
      for (size_t d = 0, rank = shape.size(); d < rank; ++d)
        tensor.shape.push_back(shape[d].number(kMostBytes));
      tensor.offset = entry["offset"].number(weightsSize);
      tensor.size = entry["size"].number();
      if (tensor.size > weightsSize - tensor.offset)
        entry["size"].fail("reaches past the end of the weights");
      manifest.tensors.push_back(std::move(tensor));
    }
  }
};

} // namespace

Result<Manifest> nibble::parseManifest(std::string_view text, uint64_t manifestOffset,
                                       const std::string &name) {
  NIBBLE_TRY(auto document, parseJson(text, name + ": manifest"));
  JsonProblem problem;
  ManifestParser parser(JsonCursor(&document, name + ": manifest", problem), manifestOffset);
  Manifest manifest = parser.parse();
  if (problem.first)
    return tl::unexpected(*problem.first);
  return manifest;
}
