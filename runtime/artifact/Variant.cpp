//===- Variant.cpp - Which compiled variant a CPU runs ----------------------------------------===//

#include "nibble/runtime/Artifact.h"
#include <algorithm>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

using namespace nibble;

std::string nibble::normalFeature(std::string_view name) {
  std::string result;
  for (char c : name)
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'))
      result += c;
    else if (c >= 'A' && c <= 'Z')
      result += static_cast<char>(c - 'A' + 'a');
  return result;
}

#if defined(__x86_64__)

/// The register state that the system saves at a context switch (XCR0).
static uint64_t savedState() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

/// Linux grants the data of tiles, 8 KiB a thread, to processes that ask for it: to all their threads, for
/// good.
static bool permitTileData() {
  constexpr long kRequestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;              // its bit in XCR0
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::vector<std::string> nibble::cpuFeatures() {
  struct Leaf {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  } one, seven, sevenOne, extended;
  __get_cpuid(1, &one.eax, &one.ebx, &one.ecx, &one.edx);
  __get_cpuid_count(7, 0, &seven.eax, &seven.ebx, &seven.ecx, &seven.edx);
  if (seven.eax >= 1)
    __get_cpuid_count(7, 1, &sevenOne.eax, &sevenOne.ebx, &sevenOne.ecx, &sevenOne.edx);
  __get_cpuid(0x80000001, &extended.eax, &extended.ebx, &extended.ecx, &extended.edx);

  bool osxsave = one.ecx >> 27 & 1;
  uint64_t saved = osxsave ? savedState() : 0;
  bool ymm = (saved & 0x6) == 0x6;
  bool zmm = ymm && (saved & 0xe0) == 0xe0;
  bool hasTiles = (saved & 0x60000) == 0x60000 && (seven.edx >> 24 & 1);
  bool tiles =
      hasTiles && permitTileData(); // without the permission their first use is an illegal instruction

  std::vector<std::string> names = {"64bit", "x87", "cx8"}; // of every x86-64
  auto add = [&](const char *name, unsigned word, unsigned bit, bool usable = true) {
    if (usable && (word >> bit & 1))
      names.push_back(name);
  };
  add("cmov", one.edx, 15);
  add("mmx", one.edx, 23);
  add("fxsr", one.edx, 24);
  add("sse", one.edx, 25);
  add("sse2", one.edx, 26);
  add("sse3", one.ecx, 0);
  add("pclmul", one.ecx, 1);
  add("ssse3", one.ecx, 9);
  add("fma", one.ecx, 12, ymm);
  add("cx16", one.ecx, 13);
  add("sse41", one.ecx, 19);
  add("sse42", one.ecx, 20);
  add("crc32", one.ecx, 20);
  add("movbe", one.ecx, 22);
  add("popcnt", one.ecx, 23);
  add("xsave", one.ecx, 26);
  add("osxsave", one.ecx, 27);
  add("avx", one.ecx, 28, ymm);
  add("f16c", one.ecx, 29, ymm);
  add("sahf", extended.ecx, 0);
  add("lahfsahf", extended.ecx, 0);
  add("lzcnt", extended.ecx, 5);
  add("bmi", seven.ebx, 3);
  add("bmi1", seven.ebx, 3);
  add("avx2", seven.ebx, 5, ymm);
  add("bmi2", seven.ebx, 8);
  add("avx512f", seven.ebx, 16, zmm);
  add("avx512dq", seven.ebx, 17, zmm);
  add("avx512ifma", seven.ebx, 21, zmm);
  add("avx512cd", seven.ebx, 28, zmm);
  add("avx512bw", seven.ebx, 30, zmm);
  add("avx512vl", seven.ebx, 31, zmm);
  add("avx512vbmi", seven.ecx, 1, zmm);
  add("avx512vbmi2", seven.ecx, 6, zmm);
  add("gfni", seven.ecx, 8);
  add("avx512vnni", seven.ecx, 11, zmm);
  add("avx512bitalg", seven.ecx, 12, zmm);
  add("avx512vpopcntdq", seven.ecx, 14, zmm);
  add("amxbf16", seven.edx, 22, tiles);
  add("avx512fp16", seven.edx, 23, zmm);
  add("amxtile", seven.edx, 24, tiles);
  add("amxint8", seven.edx, 25, tiles);
  add("avxvnni", sevenOne.eax, 4, ymm);
  add("avx512bf16", sevenOne.eax, 5, zmm);
  add("amxfp16", sevenOne.eax, 21, tiles);
  add("avxifma", sevenOne.eax, 23, ymm);
  add("avxvnniint8", sevenOne.edx, 4, ymm);
  add("avxneconvert", sevenOne.edx, 5, ymm);
  return names;
}

#elif defined(__aarch64__)

std::vector<std::string> nibble::cpuFeatures() {
  unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  std::vector<std::string> names;
  auto add = [&](const char *name, unsigned long word, unsigned bit) {
    if (word >> bit & 1)
      names.push_back(name);
  };
  add("fparmv8", first, 0);
  add("neon", first, 1);
  add("fullfp16", first, 10);
  add("dotprod", first, 20);
  add("sve", first, 22);
  add("i8mm", second, 13);
  add("bf16", second, 14);
  return names;
}

#else

std::vector<std::string> nibble::cpuFeatures() { return {}; }

#endif

/// The features of `variant` that are not in `features`, with commas between.
static std::string lacking(const VariantInfo &variant, const std::vector<std::string> &features) {
  std::string list;
  for (const std::string &feature : variant.features)
    if (std::find(features.begin(), features.end(), normalFeature(feature)) == features.end())
      list += (list.empty() ? "" : ", ") + feature;
  return list;
}

Result<const VariantInfo *> nibble::chooseVariant(const Manifest &manifest,
                                                  const std::vector<std::string> &features,
                                                  std::string_view forced, const std::string &name) {
  const VariantInfo *best = nullptr;
  std::string reasons, targets;
  bool known = false;
  for (const VariantInfo &variant : manifest.variants) {
    targets += (targets.empty() ? "" : ", ") + variant.target;
    if (!forced.empty() && variant.target != forced)
      continue;
    known = true;
    std::string lacks = lacking(variant, features);
    if (!lacks.empty())
      reasons += (reasons.empty() ? "" : "; ") + variant.target + " needs " + lacks;
    else if (!best || variant.features.size() > best->features.size())
      best = &variant;
  }
  if (best)
    return best;
  if (manifest.variants.empty())
    return failure(name + ": has no code for a CPU; compile it again with --target=cpu:native");
  if (!known)
    return failure(name + ": was not compiled for '" + std::string(forced) + "'; it has " + targets);
  return failure(name + ": this CPU lacks what its code needs: " + reasons +
                 "; compile it again with --target=cpu:native on this machine, or with --target=cpu:x86-64");
}
