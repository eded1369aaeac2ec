//===- Model.cpp - What nibble-reference was given to run -------------------------------------===//
#include "Model.h"

#include "dialects/LLM/LLM.h"
#include "dialects/RT/RT.h"
#include "nibble/Import/ModelBuilder.h"
#include "nibble/runtime/Artifact.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <filesystem>

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

Model::Model() = default;
Model::Model(Model &&) noexcept = default;
Model::~Model() = default;

/// Text or bytecode. What the parser has to say goes to stderr as it comes.
static Result<OwningOpRef<ModuleOp>> parse(MLIRContext &context, std::unique_ptr<llvm::MemoryBuffer> buffer,
                                           const std::string &name) {
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  SourceMgrDiagnosticHandler handler(sources, &context, llvm::errs());
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return nibble::failure(name + ": is no module that the reference can read");
  return module;
}

Result<void> Model::readModule(const std::string &input) {
  if (artifact) {
    std::span<const std::byte> ir = artifact->segment("ir");
    if (ir.empty())
      return nibble::failure(input + ": the artifact has no segment with its IR");
    StringRef text(reinterpret_cast<const char *>(ir.data()), ir.size());
    std::string name = input + " (IR)";
    NIBBLE_TRY(module, parse(*context, llvm::MemoryBuffer::getMemBufferCopy(text, name), name));
    return {};
  }
  auto file = llvm::MemoryBuffer::getFileOrSTDIN(input);
  if (!file)
    return nibble::failure(input + ": cannot be read: " + file.getError().message());
  NIBBLE_TRY(module, parse(*context, std::move(*file), input));
  return {};
}

/// Whether the path is the checkpoint itself.
static bool isCheckpoint(const std::string &path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) || path.ends_with(".gguf");
}

Result<Model> Model::open(const std::string &input, const std::string &checkpointPath,
                          InterpreterOptions options) {
  Model model;
  DialectRegistry registry;
  registry.insert<lowbit::LowbitDialect, llm::LLMDialect, rt::RTDialect, arith::ArithDialect,
                  func::FuncDialect, math::MathDialect, tensor::TensorDialect>();
  model.context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);

  bool alone = isCheckpoint(input);
  if (alone && !checkpointPath.empty())
    return nibble::failure(input + ": is a checkpoint itself; --checkpoint is for modules and artifacts");
  if (alone || !checkpointPath.empty()) {
    NIBBLE_TRY(Checkpoint opened, openCheckpoint(alone ? input : checkpointPath));
    model.checkpoint = std::make_unique<Checkpoint>(std::move(opened));
    for (int64_t id : model.checkpoint->config.stopTokens)
      model.stops.push_back(static_cast<int32_t>(id));
  }
  if (alone) {
    model.module = buildModel(*model.context, *model.checkpoint);
  } else {
    if (Artifact::hasFooter(input)) {
      NIBBLE_TRY(Artifact opened, Artifact::open(input));
      model.artifact = std::make_unique<Artifact>(std::move(opened));
      model.stops = model.artifact->manifest().model.eosTokens;
    }
    NIBBLE_CHECK(model.readModule(input));
  }

  ParameterSource source;
  if (model.checkpoint)
    source = checkpointParameters(model.checkpoint->parameters);
  else if (model.artifact)
    source = artifactParameters(*model.artifact);
  auto interpreter = Interpreter::create(*model.module, std::move(source), std::move(options));
  if (!interpreter)
    return nibble::failure(input + ": " + interpreter.error().message);
  model.walker = std::move(*interpreter);
  return model;
}
