//===- LLM.h - The language model dialect -------------------------------------------*- C++ -*-===//
//
// Parameters, the KV cache, and the ops of decoder-only language models. See LLMDialect.td and LLMOps.td.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/Lowbit/Lowbit.h"

#include "dialects/LLM/LLMDialect.h.inc"
#include "dialects/LLM/LLMEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/LLM/LLMAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/LLM/LLMTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/LLM/LLMOps.h.inc"
