//===- PageAllocator.cpp - Pages of the KV cache, counted -------------------------------------===//

#include "runtime/cache/PageAllocator.h"
#include <cassert>

using namespace nibble;

PageAllocator::PageAllocator(uint32_t pages) : references(pages, 0), kept(pages, false) {
  freePages.reserve(pages);
  for (uint32_t page = pages; page-- > 0;) // page 0 is on top
    freePages.push_back(page);
}

uint32_t PageAllocator::allocate() {
  assert(!freePages.empty() && "the caller counts free pages first");
  uint32_t page = freePages.back();
  freePages.pop_back();
  references[page] = 1;
  return page;
}

void PageAllocator::retain(uint32_t page) {
  idlePages -= isIdle(page);
  ++references[page];
}

void PageAllocator::release(uint32_t page) {
  assert(references[page] > 0 && "released more often than held");
  if (--references[page] > 0)
    return;
  if (kept[page])
    ++idlePages;
  else
    freePages.push_back(page);
}

void PageAllocator::keep(uint32_t page) {
  assert(references[page] > 0 && !kept[page] && "a sequence has just filled it");
  kept[page] = true;
}

void PageAllocator::drop(uint32_t page) {
  assert(isIdle(page) && "somebody reads it");
  kept[page] = false;
  --idlePages;
  freePages.push_back(page);
}
