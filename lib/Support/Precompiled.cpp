//===- Precompiled.cpp - Carrier of the compiler's precompiled header -------------------------===//
