//===- UnpackedPanel.h - A panel with a byte a code ---------------------------------*- C++ -*-===//
//
// Where many tokens meet a panel, its codes are unpacked once, into scratch memory that stays in a cache, and
// all tiles read them there: a block of K after the other, or the whole panel. The groups lie one after the
// other: codes [8][16][4] as in 8-bit panels, scales f32 [16], minima f32 [16] where there are any.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "WeightPanel.h"

namespace nibble {

/// How the bytes are meant: as dot products want them, with the weight's bias, or signed.
enum class UnpackedCodes { Biased, Signed };

/// Bytes of a group with its codes unpacked: a multiple of 64.
int64_t unpackedGroupBytes(const WeightPanel &weight);
/// Bytes of a panel with its codes unpacked.
int64_t unpackedPanelBytes(const WeightPanel &weight);

/// Unpacks the panel that starts at `panel` to `unpacked`, which is aligned to 64 bytes.
void emitUnpackedPanel(KernelBuilder &b, const WeightPanel &weight, Value panel, Value unpacked,
                       UnpackedCodes codes);

/// Group `number` of an unpacked panel, from row `rowOffset` on (i64, null for 0).
GroupRows unpackedGroup(KernelBuilder &b, const WeightPanel &weight, Value unpacked, Value number,
                        Value rowOffset = {});

} // namespace nibble
